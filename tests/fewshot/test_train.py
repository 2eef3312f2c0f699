import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from emm.core.errors import DataError
from fewshot.checkpoint import Checkpoint, State, key_of, read_checkpoint, write_checkpoint
from fewshot.episodes import EpisodeShape
from fewshot.evaluate import adapted_predictions, episode_accuracies, fixed_episodes
from fewshot.settings import EpisodeSettings
from fewshot.train import Point, best_point, meta_train, outer_learning_rate
from tests.fewshot.tiny import SETTINGS, make_images, make_network, training

TRAIN, VALIDATION = make_images(12), make_images(6, seed=1)
Weights = Mapping[str, Tensor]


class Stopped(Exception):  # noqa: N818
    """Stands for a kill of the training process."""


def run(
    folder: Path, settings: EpisodeSettings = SETTINGS, stop_at: int | None = None, key: str = "k"
) -> tuple[list[Point], Weights]:
    """Train; raise `Stopped` after the validation at iteration ``stop_at``."""

    def report(done: float, note: str = "") -> None:
        if done == stop_at:
            raise Stopped

    network = make_network(settings)
    history = meta_train(
        network, TRAIN, VALIDATION, settings, Checkpoint(folder / "state", key), report
    )
    return history, network.state_dict()


@contextmanager
def killed() -> Iterator[None]:
    with pytest.raises(Stopped):
        yield


def same(first: Weights, second: Weights) -> bool:
    return all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("order", [1, 2])
def test_resumed_training_is_bitwise_equal_to_an_uninterrupted_one(
    tmp_path: Path, order: int
) -> None:
    settings = training(order=order)
    uninterrupted = run(tmp_path / "uninterrupted", settings)
    for stop in (2, 4):
        with killed():
            run(tmp_path / "cut", settings, stop_at=stop)
    resumed = run(tmp_path / "cut", settings)
    assert resumed[0] == uninterrupted[0]
    assert same(resumed[1], uninterrupted[1])


def test_interrupted_training_leaves_its_last_validated_state(tmp_path: Path) -> None:
    with killed():
        run(tmp_path, stop_at=4)
    state = read_checkpoint(Checkpoint(tmp_path / "state", "k"))
    assert state is not None
    assert [point["iteration"] for point in state.about["history"]] == [2, 4]


def test_finished_training_is_not_repeated(tmp_path: Path) -> None:
    first = run(tmp_path)
    again = run(tmp_path)
    assert again[0] == first[0]
    assert same(again[1], first[1])


def test_longer_training_resumes_from_a_shorter_one(tmp_path: Path) -> None:
    longer = training(lr_schedule_iterations=8, ema_decay=0.5, ema_start=2)
    shorter = training(lr_schedule_iterations=8, ema_decay=0.5, ema_start=2, iterations=4)
    run(tmp_path / "cut", shorter)
    resumed, uninterrupted = run(tmp_path / "cut", longer), run(tmp_path / "uninterrupted", longer)
    assert resumed[0] == uninterrupted[0]
    assert same(resumed[1], uninterrupted[1])
    assert len(run(tmp_path / "cut", shorter)[0]) == 2  # the longer one's state is not used


def test_averaged_weights_are_an_exponential_moving_average(tmp_path: Path) -> None:
    plain = training(lr_schedule="constant")
    path = []
    for iterations in range(1, 5):
        run(tmp_path / "plain", replace_iterations(plain, iterations))
        path.append(saved(tmp_path / "plain", "now"))
    run(
        tmp_path / "mean",
        training(lr_schedule="constant", iterations=4, ema_decay=0.9, ema_start=2),
    )
    expected = path[1]
    for weights in path[2:]:
        expected = {name: 0.9 * expected[name] + 0.1 * weights[name] for name in weights}
    found = saved(tmp_path / "mean", "average")
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
    assert same(saved(tmp_path / "mean", "now"), path[-1])  # averaging doesn't change the training


def replace_iterations(settings: EpisodeSettings, iterations: int) -> EpisodeSettings:
    return replace(settings, training=replace(settings.training, iterations=iterations))


def saved(folder: Path, prefix: str) -> Weights:
    """Tensors of the checkpoint with a prefix."""
    state = read_checkpoint(Checkpoint(folder / "state", "k"))
    assert state is not None
    found = {name: value for name, value in state.tensors.items() if name.startswith(f"{prefix}/")}
    return {name.removeprefix(f"{prefix}/"): value for name, value in found.items()}


def test_last_iteration_is_validated(tmp_path: Path) -> None:
    history, _ = run(tmp_path, training(iterations=5))
    assert [point.iteration for point in history] == [2, 4, 5]


def test_network_has_the_weights_of_the_best_validation(tmp_path: Path) -> None:
    history, weights = run(tmp_path, training(learning_rate=0.1))
    best = best_point(history)
    network = make_network()
    network.load_state_dict(weights)
    parameters = dict(network.named_parameters())
    batches = fixed_episodes(VALIDATION, EpisodeShape(3, 1, 3), 25, seed=0, stream="validation")
    found = [
        episode_accuracies(adapted_predictions(network, parameters, batch, 0.4, 2), batch)
        for batch in batches
    ]
    assert float(torch.cat(found).mean()) == best.accuracy


def test_best_point_is_the_first_of_equals() -> None:
    points = [Point(1, 0.0, 0.5), Point(2, 0.0, 0.7), Point(3, 0.0, 0.7)]
    assert best_point(points).iteration == 2


def test_training_improves_loss_and_accuracy(tmp_path: Path) -> None:
    history, _ = run(tmp_path, training(iterations=60))
    assert history[-1].train_loss < 0.6 * history[0].train_loss
    assert best_point(history).accuracy > 0.8


def test_loss_that_is_not_finite_raises_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)loss is not finite.*lower training\.inner_rate"):
        run(tmp_path, training(learning_rate=1e30))


def test_outer_learning_rate_follows_half_a_cosine() -> None:
    cosine = SETTINGS.training
    assert outer_learning_rate(cosine, 0) == cosine.learning_rate
    assert outer_learning_rate(cosine, 3) == pytest.approx(cosine.learning_rate / 2)
    last = (1 + math.cos(math.pi * 5 / 6)) / 2
    assert outer_learning_rate(cosine, 5) == pytest.approx(cosine.learning_rate * last)
    assert outer_learning_rate(replace(cosine, lr_schedule="constant"), 5) == cosine.learning_rate
    assert outer_learning_rate(replace(cosine, lr_schedule_iterations=3), 3) == pytest.approx(0)
    assert outer_learning_rate(replace(cosine, lr_schedule_iterations=3), 5) == pytest.approx(0)


STATE = State({"a": torch.arange(3)}, {"history": [1.5]})


def test_checkpoint_is_read_as_written(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "state", key_of({"a": 1}))
    assert read_checkpoint(checkpoint) is None
    write_checkpoint(checkpoint, STATE)
    found = read_checkpoint(checkpoint)
    assert found is not None
    assert torch.equal(found.tensors["a"], STATE.tensors["a"])
    assert found.about == STATE.about


def test_checkpoint_of_another_configuration_is_ignored(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_checkpoint(Checkpoint(tmp_path / "state", key_of({"a": 1})), STATE)
    assert read_checkpoint(Checkpoint(tmp_path / "state", key_of({"a": 2}))) is None
    assert "training starts from the beginning" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["state.json", "state.safetensors"])
def test_damaged_checkpoint_is_ignored(tmp_path: Path, name: str) -> None:
    checkpoint = Checkpoint(tmp_path / "state", "k")
    write_checkpoint(checkpoint, STATE)
    save_file({"a": torch.zeros(3)}, checkpoint.folder / name)
    assert read_checkpoint(checkpoint) is None
