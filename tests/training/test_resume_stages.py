"""Interrupted training stages write the same files as uninterrupted ones."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from emm.fusion import decompose as taking_apart
from emm.fusion.decompose import decompose
from emm.fusion.settings import Phase
from emm.fusion.train import train_fused
from emm.models.mmoe import MMoE
from emm.models.single_task import SingleTask
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext
from emm.training.networks import train_networks
from emm.training.settings import TrainingSettings
from emm.trees import train as trees
from tests.fusion.fusing import CONTEXT, settings
from tests.training.interrupted import KilledError, always, contents, stage, through
from tests.training.tiny import (
    BOOSTING,
    OPTIMISER,
    STRUCTURES,
    fusion,
    train_members,
    training,
)

Work = Callable[[Path, Checkpoint | None], None]
PROTOCOL = training(
    seeds=(0, 2), max_epochs=2, lr_schedule="one-cycle", ema_decay=0.9
)  # 3 steps each


def single(out: Path, checkpoint: Checkpoint | None, protocol: TrainingSettings = PROTOCOL) -> None:
    arguments = {**STRUCTURES["narrow"], "dropout": 0.2}

    def build(context: TrainingContext) -> tuple[nn.Module, Mapping[str, Any]]:
        return SingleTask(context.inputs, **arguments), arguments

    how = fusion("out-of-fold", folds=2)
    train_networks(
        out,
        CONTEXT,
        checkpoint,
        name="narrow",
        architecture="single_task",
        build=build,
        training=protocol,
        optimiser=OPTIMISER,
        per_task=True,
        folds=how,
    )


def together(out: Path, checkpoint: Checkpoint | None) -> None:
    knobs = {"embedding_dim": 2, "experts": 2, "expert": [4], "tower": [4], "dropout": 0.2}

    def build(context: TrainingContext) -> tuple[nn.Module, Mapping[str, Any]]:
        return MMoE(context.inputs, 2, **knobs), knobs

    train_networks(
        out,
        CONTEXT,
        checkpoint,
        name="mmoe",
        architecture="mmoe",
        build=build,
        training=PROTOCOL,
        optimiser=OPTIMISER,
    )


def assert_the_same_files(
    folder: Path, work: Work, steps: list[int], patch: pytest.MonkeyPatch
) -> None:
    (folder / "at-once").mkdir()
    work(folder / "at-once", None)
    always(patch)
    (folder / "out").mkdir()
    taken = list(through(lambda: stage(folder, work), steps, patch))
    assert taken == steps
    assert contents(folder / "out") == contents(folder / "at-once")
    assert not list(folder.rglob(".emm/checkpoints/out"))


@pytest.mark.parametrize("work", [single, together])
def test_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Work) -> None:
    assert_the_same_files(tmp_path, work, [5, 4], monkeypatch)


@pytest.mark.parametrize(
    "arguments",
    [{"variant": "aligned", "embedding_dim": 2}, {"variant": "paper", "embedding_dim": 2}],
    ids=lambda arguments: arguments["variant"],
)
def test_a_fused_model_in_both_phases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, components: Path, arguments: dict[str, Any]
) -> None:
    """Partners are sampled from the generator of dropout."""
    how = settings(second=Phase(learning_rate=0.005, max_epochs=2))

    def work(out: Path, checkpoint: Checkpoint | None) -> None:
        train_fused(
            out,
            CONTEXT,
            checkpoint,
            name="emm",
            components=components,
            training=training(ema_decay=0.9),
            fusion=fusion(),
            settings=how,
            arguments={"tower": [3], "dropout": 0.1, **arguments},
        )

    # The first loss of each attempt is that of epoch 0; 3 steps per epoch, 2 epochs per phase.
    assert_the_same_files(tmp_path, work, [5, 6, 3], monkeypatch)


def test_trees_resume_with_the_next_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boosted: list[int] = []
    real = trees.grow

    def grow(*arguments: Any, seed: int, **more: Any) -> nn.Module:
        boosted.append(seed)
        if len(boosted) == 2:
            raise KilledError
        return real(*arguments, seed=seed, **more)

    def work(out: Path, checkpoint: Checkpoint | None) -> None:
        trees.train_trees(
            out, "gbdt", CONTEXT, BOOSTING, (0, 2), fusion("out-of-fold", folds=2), checkpoint
        )

    work(tmp_path / "at-once", None)
    monkeypatch.setattr(trees, "grow", grow)
    with pytest.raises(KilledError):
        stage(tmp_path, work)
    stage(tmp_path, work)
    assert boosted == [0, 0, 0, 2, 2]  # the second of them twice
    assert contents(tmp_path / "out") == contents(tmp_path / "at-once")


def test_decomposition_resumes_with_the_next_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how, seeds = fusion(), (0, 2)
    members = train_members(tmp_path / "models", CONTEXT, how, seeds=seeds)
    taken: list[int] = []
    real = taking_apart.build_pool

    def build_pool(*arguments: Any, **more: Any) -> object:
        taken.append(arguments[-1])
        if len(taken) == 2:
            raise KilledError
        return real(*arguments, **more)

    def work(out: Path, checkpoint: Checkpoint | None) -> None:
        decompose(out, CONTEXT, *members, how, seeds, checkpoint)

    work(tmp_path / "at-once", None)
    monkeypatch.setattr(taking_apart, "build_pool", build_pool)
    with pytest.raises(KilledError):
        stage(tmp_path, work)
    (tmp_path / "out/seed-0").rename(tmp_path / "lost")
    stage(tmp_path, work)
    assert taken == [0, 2, 2]
    assert contents(tmp_path / "out") == contents(tmp_path / "at-once")
