import json
import traceback
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from emm.data.tables.folds import without_fold
from emm.models.single_task import SingleTask
from emm.training.context import TrainingContext, schedule_of
from emm.training.fit import fit, validation_scores
from emm.training.networks import fresh_network, train_networks
from emm.training.store import load_model
from emm.training.weighting import Weighting
from tests.training.tiny import (
    IDENTITY,
    OPTIMISER,
    STRUCTURES,
    TASKS,
    fusion,
    make_context,
    train_structure,
    training,
)

CONTEXT = make_context()
ARGUMENTS = STRUCTURES["narrow"]


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def test_single_task_models_are_written_for_every_seed_and_task(tmp_path: Path) -> None:
    train_structure(tmp_path, CONTEXT, "narrow", fusion("train"), training(seeds=(0, 2)))
    found = sorted(str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("model.json"))
    assert found == ["seed-0/t0", "seed-0/t1", "seed-2/t0", "seed-2/t1"]
    runs = json.loads((tmp_path / "history.json").read_text())["runs"]
    assert [(run["seed"], run["task"]) for run in runs] == [
        (seed, task) for seed in (0, 2) for task in TASKS
    ]
    model, about = load_model(tmp_path / "seed-2/t1", IDENTITY)
    assert (about.tasks, about.seed) == (("t1",), 2)
    epochs = {epoch["epoch"]: epoch["auc"] for epoch in runs[3]["epochs"]}
    own = validation_scores(model, CONTEXT.validation.task(1))[0]
    assert epochs[runs[3]["best_epoch"]] == {"t1": own}


def test_out_of_fold_adds_models_of_each_fold_and_keeps_the_main_ones(tmp_path: Path) -> None:
    for fit_on in ("train", "out-of-fold"):
        train_structure(tmp_path / fit_on, CONTEXT, "narrow", fusion(fit_on), training())
    names = ["fold-0", "fold-1", "fold-2"]
    seed = tmp_path / "out-of-fold/seed-0"
    assert sorted(path.name for path in seed.iterdir()) == [*names, *TASKS]
    main, single = (weights(tmp_path / f / "seed-0/t0") for f in ("out-of-fold", "train"))
    assert all(torch.equal(main[key], single[key]) for key in single)
    found = [weights(seed / name / "t0")["tower.0.weight"] for name in names]
    assert len({tuple(x.flatten().tolist()) for x in [main["tower.0.weight"], *found]}) == 4
    histories = [tmp_path / f / "history.json" for f in ("out-of-fold", "train")]
    assert histories[0].read_bytes() == histories[1].read_bytes()


def test_held_out_models_do_not_learn_on_the_first_fold(tmp_path: Path) -> None:
    how = fusion("held-out", folds=3)
    train_structure(tmp_path, CONTEXT, "narrow", how, training(max_epochs=1))
    model, _ = fresh_network(
        lambda _: (SingleTask(CONTEXT.inputs, **ARGUMENTS), {}), CONTEXT, 0, "narrow", "t0"
    )
    rows = without_fold(CONTEXT.train, 0, 3, seed=0).task(0)
    schedule = schedule_of(training(max_epochs=1), OPTIMISER, CONTEXT.schema)
    fit(model, rows, CONTEXT.validation.task(0), schedule, seed=0, names=("narrow", "t0"))
    stored = weights(tmp_path / "seed-0/t0")
    assert all(torch.equal(stored[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_a_model_of_all_tasks_is_written_for_every_seed(
    tmp_path: Path, seeds: tuple[int, ...]
) -> None:
    def build(context: TrainingContext) -> tuple[SingleTask, dict]:
        return SingleTask(context.inputs, 2, **ARGUMENTS), dict(ARGUMENTS)

    protocol = training(seeds=seeds)
    train_networks(
        tmp_path,
        CONTEXT,
        name="both",
        architecture="single_task",
        build=build,
        training=protocol,
        optimiser=OPTIMISER,
    )
    runs = json.loads((tmp_path / "history.json").read_text())["runs"]
    assert [run["seed"] for run in runs] == list(seeds)
    for run in runs:
        model, about = load_model(tmp_path / f"seed-{run['seed']}", IDENTITY)
        best = run["epochs"][run["best_epoch"] - 1]
        assert best["auc"] == dict(
            zip(TASKS, validation_scores(model, CONTEXT.validation), strict=True)
        )
        assert (about.tasks, about.seed) == (TASKS, run["seed"])


def test_first_weights_depend_on_the_seed_and_the_names() -> None:
    def first(seed: int, *names: str) -> Tensor:
        torch.rand(3)
        model, _ = fresh_network(
            lambda _: (SingleTask(CONTEXT.inputs, **ARGUMENTS), {}), CONTEXT, seed, *names
        )
        return model.get_parameter("tower.0.weight")

    assert torch.equal(first(0, "a"), first(0, "a"))
    assert not torch.equal(first(0, "a"), first(1, "a"))
    assert not torch.equal(first(0, "a"), first(0, "b"))


def losses(folder: Path) -> list[tuple[int, str, float]]:
    runs = json.loads((folder / "history.json").read_text())["runs"]
    return [(run["seed"], run["task"], run["epochs"][0]["train_loss"]) for run in runs]


@pytest.mark.parametrize("fit_on", ["train", pytest.param("out-of-fold", marks=pytest.mark.slow)])
def test_vectorised_training_gives_the_same_models(tmp_path: Path, fit_on: str) -> None:
    """Only the losses of the first epoch are compared: Adam enlarges rounding in later ones."""
    for folder, vectorised in (("single", False), ("stacked", True)):
        how = training(seeds=(0, 2), vectorised=vectorised)
        train_structure(tmp_path / folder, CONTEXT, "narrow", fusion(fit_on), how)
    single, stacked = (
        sorted(path.relative_to(tmp_path / f) for path in (tmp_path / f).rglob("*"))
        for f in ("single", "stacked")
    )
    assert single == stacked
    for own, other in zip(losses(tmp_path / "single"), losses(tmp_path / "stacked"), strict=True):
        assert own[:2] == other[:2]
        assert other[2] == pytest.approx(own[2], abs=1e-4)


def test_a_message_says_why_models_can_not_be_vectorised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = training(seeds=(0, 2), vectorised=True, ema_decay=0.9)
    train_structure(tmp_path, CONTEXT, "narrow", fusion("train"), how)
    message = "train one after another: their weights are averaged"
    assert message in capsys.readouterr().err


def test_few_frames_lead_from_the_stage_to_the_backward_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths: list[list[str]] = []
    backward = Weighting.backward

    def record(self: Weighting, *arguments: Any) -> None:
        names = [frame.name for frame in traceback.extract_stack()]
        paths.append(names[names.index("train_structure") + 1 : -1])
        backward(self, *arguments)

    monkeypatch.setattr(Weighting, "backward", record)
    train_structure(tmp_path, CONTEXT, "narrow", fusion(), training(max_epochs=1))
    assert paths[0] == ["train_networks", "fit", "train_epoch"]
