"""What an exported model has to give for raw rows, by the project's own code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from emm.data.tables.outputs import split_outputs
from emm.data.tables.schema import CLASSES, Schema
from emm.export.columns import (
    CTCVR,
    CTR,
    CVR,
    ENCODED_DENSE,
    ENCODED_SPARSE,
    TREES,
    GraphOutput,
)
from emm.export.members import Outside
from emm.export.readable import member_rows
from emm.export.undecided import undecided_rows
from emm.fusion.emm import EMM
from emm.metrics.funnels import both_logits, conversion_logits
from emm.nn.bags import BagStore, attach_bags
from emm.predict.encoder import Encoder
from emm.trees.gbdt import GradientBoosting


@dataclass(frozen=True)
class Expected:
    """``outputs``: [N, width] by name; ``equal``: tensors inside the graph, whose bits must be the
    same, by name; ``undecided``: the rows whose predictions rounding decides, bool [N]."""

    outputs: Mapping[str, np.ndarray]
    equal: Mapping[str, np.ndarray]
    undecided: np.ndarray

    @property
    def trees(self) -> bool:
        """Whether the model has trees."""
        return TREES in self.equal


@torch.no_grad()
def project_logits(
    model: nn.Module, encoder: Encoder, rows: pl.DataFrame, outside: Outside | None = None
) -> Tensor:
    """The project's own logits [N, O] of raw rows, whose bags ``model`` is left with."""
    return _logits(model, _read(model, encoder, rows, outside or {}))


@torch.no_grad()
def expected_of(
    model: nn.Module,
    tasks: Sequence[str],
    encoder: Encoder,
    rows: pl.DataFrame,
    outputs: Sequence[GraphOutput],
    *,
    given_click: bool = False,
    outside: Outside | None = None,
) -> Expected:
    """What the exported model of ``tasks`` has to give for raw rows."""
    schema = encoder.schema
    read = _read(model, encoder, rows, outside or {})
    dense, sparse, *_ = read
    logits = _logits(model, read)
    widths = [len(schema.classes.get(task, ("",))) for task in tasks]
    by_task = dict(zip(tasks, split_outputs(logits, widths), strict=True))
    found = {
        each.name: _output(each, by_task, schema, given_click=given_click).numpy()
        for each in outputs
    }
    ids = sparse[:, : len(schema.sparse)]
    equal = {ENCODED_DENSE: dense.numpy(), ENCODED_SPARSE: ids.numpy()}
    if isinstance(model, GradientBoosting):
        equal[TREES] = logits.numpy()
    elif isinstance(model, EMM) and len(model.trees.members):
        equal[TREES] = model.trees(dense, sparse).flatten(1).numpy()
    return Expected(found, equal, undecided_rows(model, read))


def _logits(model: nn.Module, read: Sequence[Tensor]) -> Tensor:
    logits: Tensor = model(*read)
    return logits


def _read(model: nn.Module, encoder: Encoder, rows: pl.DataFrame, outside: Outside) -> list[Tensor]:
    """What ``model`` reads of raw rows: its features and, of a fused model with members from
    outside, their scores [N, P]."""
    encoded = encoder.encode(rows)
    found = [*features_of(model, encoded, encoder.schema)]
    if isinstance(model, EMM) and model.scored:
        raw = member_rows(encoder, rows, outside)
        scores = [outside[name].scores(encoded, raw) for name in model.scored_names]
        found.append(torch.from_numpy(np.concatenate(scores, axis=1)))
    return found


def features_of(model: nn.Module, encoded: pl.DataFrame, schema: Schema) -> tuple[Tensor, Tensor]:
    """What ``model`` reads of encoded rows: dense [N, D], sparse [N, F], or [N, F + 1] with bags,
    which are attached to the model."""
    dense = torch.from_numpy(encoded.select(schema.dense_names).to_numpy().copy())
    sparse = torch.from_numpy(encoded.select(schema.sparse_names).to_numpy().copy())
    if not schema.bags:
        return dense, sparse
    lists = [encoded[bag.name] for bag in schema.bags]
    attach_bags(model, BagStore(*zip(*map(_ends, lists), strict=True)))
    owners = torch.arange(len(encoded), dtype=torch.int32).unsqueeze(1)
    return dense, torch.cat([sparse, owners], dim=1)


def _ends(lists: pl.Series) -> tuple[Tensor, Tensor]:
    """The values of lists end to end, and where each list starts."""
    lengths = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    values = lists.filter(lists.list.len() > 0).explode().cast(pl.Int32).to_numpy()
    return torch.from_numpy(values.copy()), torch.from_numpy(starts)


def _output(
    output: GraphOutput, logits: Mapping[str, Tensor], schema: Schema, *, given_click: bool
) -> Tensor:
    own = [logits[task] for task in output.tasks]
    if output.step:
        return _step(output.step, own[0], own[1], given_click=given_click)
    if output.gives == "logit":
        return own[0]
    if output.gives == "value":
        target = schema.targets[output.tasks[0]]
        return own[0].double() * target.std + target.mean
    return own[0].softmax(dim=1) if output.kind == CLASSES else own[0].sigmoid()


def _step(step: str, click: Tensor, conversion: Tensor, *, given_click: bool) -> Tensor:
    """The probability of a step of a funnel from the logits [N, 1] of its tasks."""
    if given_click:
        steps = {CTR: click, CVR: conversion, CTCVR: both_logits(click, conversion)}
    else:
        steps = {CTR: click, CVR: conversion_logits(click, conversion), CTCVR: conversion}
    return steps[step].double().sigmoid()
