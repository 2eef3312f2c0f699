"""A tiny dataset of a binary task and one of three classes, in which labels are missing."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import Split
from emm.fusion.settings import FusionSettings
from emm.models.single_task import SingleTask
from emm.training.context import TrainingContext
from emm.training.networks import build_network, train_networks
from emm.trees.train import train_trees
from tests.training.tiny import (
    BOOSTING,
    OPTIMISER,
    SCHEMA,
    STRUCTURES,
    make_context,
    table,
    training,
)

CLASSES = ("low", "middle", "high")
OUTPUTS = (1, 3)


def with_classes(rows: int, seed: int) -> RowTensors:
    """Rows without every third label of the first task, and every fourth of the second."""
    whole = table(rows, seed)
    value = whole.dense[:, 1] + 0.3 * (whole.sparse[:, 0] == 1) + 0.2 * whole.labels[:, 1]
    grade = torch.bucketize(value, torch.tensor([0.5, 0.9])).float()
    labels = torch.stack([whole.labels[:, 0].float(), grade], dim=1)
    numbers = torch.arange(rows)
    labels[numbers % 3 == 0, 0] = torch.nan
    labels[numbers % 4 == 1, 1] = torch.nan
    return replace(
        whole, labels=labels, kinds=("binary", "classes"), outputs=OUTPUTS, partly_labelled=True
    )


def make_partly_labelled() -> TrainingContext:
    train, validation = with_classes(150, 0), with_classes(120, 1)
    splits = {
        name: Split(len(rows), {}, labelled={"t0": 1, "t1": 1})
        for name, rows in (("train", train), ("validation", validation))
    }
    schema = replace(SCHEMA, kinds={"t1": "classes"}, classes={"t1": CLASSES}, splits=splits)
    return replace(make_context(), schema=schema, train=train, validation=validation)


def train_members(
    folder: Path, context: TrainingContext, how: FusionSettings
) -> tuple[Mapping[str, Path], Mapping[str, Path]]:
    """Train two structures of networks, and trees; returns their folders by name."""
    for structure in ("narrow", "wide"):
        train_networks(
            folder / structure,
            context,
            name=structure,
            architecture="single_task",
            build=partial(build_network, SingleTask, STRUCTURES[structure]),
            training=training(),
            optimiser=OPTIMISER,
            per_task=True,
            folds=how,
        )
    train_trees(folder / "gbdt", "gbdt", context, BOOSTING, (0,), how)
    return {name: folder / name for name in ("narrow", "wide")}, {"gbdt": folder / "gbdt"}
