"""A small encoder without files, raw rows for it, and the check of an exported model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import nn

from emm.data.tables.inputs import BAG_ROLE, DENSE, SPARSE, Input, Inputs
from emm.data.tables.schema import (
    CLASSES,
    FORMAT,
    REGRESSION,
    BagColumn,
    DenseColumn,
    Schema,
    SparseColumn,
    Target,
)
from emm.export.graph import build_model
from emm.export.verify import Verified, verify
from emm.export.write import write_model
from emm.predict.encoder import Encoder

CARDINALITIES = (4, 2, 5)  # as those of the tiny pools in tests/fusion
TARGET = Target(mean=-40.0, std=250.0)


def small_encoder(
    tasks: Sequence[str] = ("t0", "t1"),
    *,
    kinds: Mapping[str, str] | None = None,
    classes: Mapping[str, int] | None = None,
    bags: Sequence[int] = (),
    funnel: Sequence[str] = (),
) -> Encoder:
    """Three dense columns, three of text and, by their cardinalities, ``bags``."""
    dense = [
        DenseColumn(f"d{n}", -1.0, 2.0 + n, 0.3, 1.0, 0, False, (-0.5, 0.1, 0.9)) for n in range(3)
    ]
    sparse = [SparseColumn(f"s{n}", c, 0, False) for n, c in enumerate(CARDINALITIES)]
    lists = [BagColumn(f"b{n}", c, 0, 9) for n, c in enumerate(bags)]
    kinds = {**(kinds or {}), **dict.fromkeys(classes or (), CLASSES)}
    schema = Schema(
        format=FORMAT,
        dataset="small",
        title="",
        licence="",
        origin="",
        tasks=tuple(tasks),
        key=None,
        weight=None,
        dense=tuple(dense),
        sparse=tuple(sparse),
        splits={},
        vocabularies={},
        kinds=kinds,
        targets={task: TARGET for task, kind in kinds.items() if kind == REGRESSION},
        classes={task: tuple(map(str, range(count))) for task, count in (classes or {}).items()},
        bags=tuple(lists),
        funnel=tuple(funnel),
    )
    known = [(each.name, f"v{n}", n, 9) for each in (*sparse, *lists) for n in _ids(each)]
    types = {"column": pl.String, "value": pl.String, "id": pl.Int32, "rows": pl.UInt32}
    columns = [Input(each.name, DENSE, "number") for each in dense]
    columns += [Input(each.name, SPARSE) for each in sparse]
    columns += [Input(each.name, BAG_ROLE, separator="|") for each in lists]
    vocabularies = pl.DataFrame(known, schema=types, orient="row")
    return Encoder(schema, vocabularies, Inputs(tuple(columns)))


def _ids(column: SparseColumn | BagColumn) -> range:
    return range(1, column.cardinality)


def raw_rows(encoder: Encoder, count: int = 40) -> pl.DataFrame:
    """Raw rows with missing and unseen values, and empty bags."""
    draw = np.random.default_rng(5)
    rows: dict[str, Any] = {}
    for column in encoder.schema.dense:
        values = draw.uniform(-2, 3, count).tolist()
        rows[column.name] = [None if n % 7 == 3 else each for n, each in enumerate(values)]
    for column in encoder.schema.sparse:
        values = [f"v{n}" for n in draw.integers(0, column.cardinality + 1, count)]
        rows[column.name] = [None if n % 9 == 4 else f" {each}" for n, each in enumerate(values)]
    for bag in encoder.schema.bags:
        sizes = draw.integers(0, 4, count)
        rows[bag.name] = [
            [f"v{n}" for n in draw.integers(0, bag.cardinality + 1, size)] for size in sizes
        ]
    return pl.DataFrame(rows)


def settled(model: nn.Module, seed: int = 0) -> nn.Module:
    """The model in eval mode, with batch-norm statistics and weights that aren't fresh ones."""
    torch.manual_seed(seed)
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-0.3, 0.3)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    for name, weight in model.named_parameters():
        if name.endswith("table.weight") or "bags" in name:
            nn.init.normal_(weight)
    return model.eval()


def checked(model: nn.Module, encoder: Encoder, folder: Path, **options: Any) -> Verified:
    """Export a model of the encoder's tasks to ``folder``, and compare it with the project."""
    tasks = encoder.schema.tasks
    proto = build_model(model, tasks, encoder, **options)
    write_model(proto, folder)
    return verify(folder / "model.onnx", model, tasks, encoder, raw_rows(encoder), **options)
