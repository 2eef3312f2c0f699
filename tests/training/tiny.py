"""A tiny dataset in memory, and trained models of it on disk."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import nn

from emm.data.tables.names import GROUP, GROUPS, WEIGHT, label_column
from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import FORMAT, DenseColumn, Schema, SparseColumn, write_schema
from emm.fusion.settings import FusionSettings
from emm.models import model_class
from emm.training.context import TrainingContext
from emm.training.networks import train_networks
from emm.training.settings import OptimiserSettings, TrainingSettings
from emm.training.store import inputs_of
from emm.trees.settings import ScikitLearnSettings
from emm.trees.train import train_trees

TASKS = ("t0", "t1")
IDENTITY = "0" * 64
NUMBERS = ("x", "y")
SCHEMA = Schema(
    format=FORMAT,
    dataset="tiny",
    title="Tiny",
    licence="",
    origin="",
    tasks=TASKS,
    key=None,
    weight="counts",
    dense=tuple(
        DenseColumn(name, 0.0, 1.0, 0.5, 0.3, 0, constant=False, quantiles=(0.25, 0.5, 0.75))
        for name in NUMBERS
    ),
    sparse=(SparseColumn("id", 4, 0, constant=False),),
    splits={},
    vocabularies={},
)
OPTIMISER = OptimiserSettings(learning_rate=0.02, weight_decay=0.0)
BOOSTING = ScikitLearnSettings(0.3, 6, 4, 10, 0.0, patience=3)
STRUCTURES: Mapping[str, Mapping[str, Any]] = {
    "narrow": {"embedding_dim": 2, "blocks": [[4, 3]] * 2, "tower": [3], "dropout": 0.0},
    "wide": {"embedding_dim": 2, "blocks": [[6, 3]] * 2, "tower": [3], "dropout": 0.0},
    "apart": {"embedding_dim": 2, "blocks": [[7, 5]] * 2, "tower": [3], "dropout": 0.0},
    "uncut": {"heads": 2, "layers": [5], "embedding_dim": 2, "dropout": 0.0},
}
ARCHITECTURES = {"uncut": "tabm"}
"""Those of structures that aren't single-task networks which are cut."""


def table(rows: int, seed: int) -> RowTensors:
    """Rows with two tasks, each of which depends on one number and the id."""
    generator = torch.Generator().manual_seed(seed)
    dense = torch.rand(rows, 2, generator=generator)
    ids = torch.randint(0, 4, (rows, 1), generator=generator).int()
    noise = 0.3 * torch.randn(rows, 2, generator=generator)
    return RowTensors(dense, ids, (dense + noise + 0.3 * (ids == 1) > 0.6).byte())


def make_context(rows: int = 150) -> TrainingContext:
    return TrainingContext(
        schema=SCHEMA,
        schema_sha256=IDENTITY,
        inputs=inputs_of(SCHEMA),
        train=table(rows, 0),
        validation=table(120, 1),
        device=torch.device("cpu"),
        recipe="tuned",
    )


def training(**changes: Any) -> TrainingSettings:
    values = {"seeds": (0,), "batch_size": 64, "max_epochs": 2, "patience": 2, "device": "cpu"}
    return TrainingSettings(**{**values, "threads": 1, **changes})


def fusion(fit_on: str = "train", **changes: Any) -> FusionSettings:
    return FusionSettings(
        **{"pool": {}, "trees": ("gbdt",), "fit_on": fit_on, "folds": 3, **changes}
    )


def train_structure(
    out: Path,
    context: TrainingContext,
    structure: str,
    how: FusionSettings,
    protocol: TrainingSettings,
) -> None:
    architecture = ARCHITECTURES.get(structure, "single_task")
    network: Any = model_class(architecture)

    def build(context: TrainingContext) -> tuple[nn.Module, Mapping[str, Any]]:
        return network(context.inputs, **STRUCTURES[structure]), STRUCTURES[structure]

    train_networks(
        out,
        context,
        name=structure,
        architecture=architecture,
        build=build,
        training=protocol,
        optimiser=OPTIMISER,
        per_task=True,
        folds=how if how.takes(structure) else None,
    )


def train_members(
    folder: Path,
    context: TrainingContext,
    how: FusionSettings,
    structures: Sequence[str] = ("narrow", "wide"),
    seeds: Sequence[int] = (0,),
) -> tuple[dict[str, Path], dict[str, Path]]:
    """Train networks and trees with each seed; returns their folders by name."""
    protocol = training(seeds=tuple(seeds))
    for structure in structures:
        train_structure(folder / structure, context, structure, how, protocol)
    train_trees(folder / "gbdt", "gbdt", context, BOOSTING, tuple(seeds), how)
    return {name: folder / name for name in structures}, {"gbdt": folder / "gbdt"}


def save_processed(folder: Path, rows: int = 150) -> None:
    """Write the dataset as preprocessing does, without test rows."""
    folder.mkdir(parents=True)
    write_schema(SCHEMA, folder / "schema.json")
    context = make_context(rows)
    for split, part in (("train", context.train), ("validation", context.validation)):
        columns = {name: part.dense[:, n].numpy() for n, name in enumerate(NUMBERS)}
        columns["id"] = part.sparse[:, 0].numpy()
        labels = {label_column(task): part.labels[:, n].numpy() for n, task in enumerate(TASKS)}
        weights = {WEIGHT: np.arange(len(part), dtype=np.float32) % 3 + 1}
        pl.DataFrame(columns | labels | weights).write_parquet(folder / f"{split}.parquet")
    groups = np.arange(rows, dtype=np.int32)
    pl.DataFrame({GROUP: groups}).write_parquet(folder / GROUPS)
