"""Evaluation of a trained model on the test split."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from emm.automtl.space import ARCHITECTURE
from emm.core.errors import ModelFileError, ParamsError
from emm.core.files import write_json
from emm.data.tables.loading import load_groups
from emm.data.tables.memory import open_splits
from emm.data.tables.rows import Rows
from emm.data.tables.schema import BINARY, Schema, load_schema, schema_hash
from emm.evaluation.operations import count_operations
from emm.fusion.member_facts import MEMBERS, load_facts, pool_facts
from emm.fusion.scored import load_scored, with_scores
from emm.fusion.stacking.train import STACKING
from emm.fusion.student_settings import TEACHER
from emm.metrics.funnels import funnel_metrics
from emm.metrics.tasks import task_metrics, task_predictions
from emm.nn.bags import BagStore, attach_bags
from emm.nn.mlp import count_parameters
from emm.training.bags import load_bags
from emm.training.devices import use_device
from emm.training.fit import predict
from emm.training.history import HISTORY
from emm.training.store import load_models


def evaluate(
    models: Path,
    processed: Path,
    out: Path,
    *,
    name: str,
    seeds: Sequence[int],
    bins: int,
    device: str,
    threads: int,
    deterministic: bool,
    portable: bool = False,
    memory_gib: float | None = None,
    gauc_key: str | None = None,
    sample_weights: bool = False,
) -> None:
    """Score the model in the folder ``models`` on test, for every seed.

    Writes metrics.json, predictions.safetensors, history.json and, for a searched model,
    architecture.json, for a fused one of outside models members.json, for a student teacher.json,
    to ``out``. ``bins``: of the
    calibration error; ``gauc_key``: the column that groups the rows of the GAUC, None for no GAUC;
    ``sample_weights``: weigh the rows; ``memory_gib``: see `emm.data.tables.memory.open_splits`.
    Raises ParamsError if the rows are to be weighed and have no weights.
    """
    schema = load_schema(processed / "schema.json")
    if sample_weights:
        _require_weights(schema)
    where = use_device(device, threads, portable=portable, deterministic=deterministic)
    test = open_splits(
        processed,
        ("test",),
        schema,
        where,
        weighted=("test",) if sample_weights else (),
        memory_gib=memory_gib,
    )["test"]
    identity = schema_hash(processed / "schema.json")
    groups = load_groups(processed / "test.parquet", schema, gauc_key) if gauc_key else None
    bags = load_bags(processed, schema, where)
    logits, sizes = [], []
    for seed in seeds:
        predicted, size = _predict(models / f"seed-{seed}", schema, identity, test, bags)
        logits.append(predicted)
        sizes.append(size)
    predictions = {"logits": torch.stack(logits), "labels": test.labels.cpu()}  # [S, N, O], [N, T]
    if test.weights is not None:
        predictions["weights"] = test.weights.cpu()  # [N]
    save_file(predictions, out / "predictions.safetensors")
    write_json(
        out / "metrics.json",
        {
            "model": name,
            "seeds": list(seeds),
            "parameters": sizes[0].parameters,
            "operations": sizes[0].operations,
            **_all_scores(schema, predictions, bins, groups),
        },
    )
    _copy_records(models, out, seeds)


def _copy_records(models: Path, out: Path, seeds: Sequence[int]) -> None:
    """Copy what training wrote about the model: history, members, steps, architecture, teacher."""
    write_json(out / HISTORY, _history(models / HISTORY))
    members = [load_facts(models / f"seed-{seed}") for seed in seeds]
    if any(members):
        write_json(out / MEMBERS, pool_facts(seeds, members))
    for name in (ARCHITECTURE, TEACHER, STACKING):
        if (models / name).exists():
            shutil.copyfile(models / name, out / name)


@dataclass(frozen=True)
class Size:
    """``parameters``: number of learned parameters; ``operations``: multiplications and additions
    of the matrix products that predict one row."""

    parameters: int
    operations: int


def _predict(
    folder: Path, schema: Schema, identity: str, test: Rows, bags: BagStore | None
) -> tuple[Tensor, Size]:
    """Logits [N, O] of the model in ``folder``, or of the single-task models in its subfolders."""
    columns, sizes = [], []
    for model, _, each in load_models(folder, schema, identity):
        attach_bags(model, bags)
        rows = with_scores(model, load_scored(each, model), "test", test)
        columns.append(predict(model.to(test.labels.device), rows).cpu())
        sizes.append(_size(model, rows))
    total = Size(sum(x.parameters for x in sizes), sum(x.operations for x in sizes))
    return torch.cat(columns, dim=1), total


def _size(model: torch.nn.Module, test: Rows) -> Size:
    """The size of a model; the nodes of trees count as one parameter, a threshold or a value.

    What outside members were scored with beforehand isn't counted.
    """
    nodes = sum(len(value) for name, value in model.named_buffers() if name.endswith(".value"))
    first = torch.zeros(1, dtype=torch.int64, device=test.labels.device)
    row = next(test.rows(first).in_order(1))
    return Size(count_parameters(model) + nodes, count_operations(model, row.inputs))


def scores_of(
    schema: Schema,
    task: str,
    logits: Tensor,
    labels: Tensor,
    bins: int,
    groups: Tensor | None = None,
    weights: Tensor | None = None,
) -> dict[str, list[float]]:
    """Metrics of one task over its labelled rows, one number per seed.

    logits [S, N], or [S, N, C] of a task of classes; labels, groups, weights [N].
    """
    if schema.partly_labelled:
        known = ~labels.isnan()
        logits, labels = logits[:, known], labels[known]
        groups, weights = _of_rows(groups, known), _of_rows(weights, known)
    std = schema.targets[task].std if task in schema.targets else 1.0
    return task_metrics(
        schema.kind(task), logits, labels, bins=bins, std=std, groups=groups, weights=weights
    )


def _all_scores(
    schema: Schema, predictions: Mapping[str, Tensor], bins: int, groups: Tensor | None
) -> dict[str, Any]:
    """Metrics of each task, and of the funnel if there is one, with one number per seed.

    groups [N]; predictions: logits [S, N, O], labels [N, T] and, if there are any, weights [N].
    """
    labels, weights = predictions["labels"], predictions.get("weights")
    by_task = task_predictions(
        predictions["logits"], schema.outputs, list(map(schema.kind, schema.tasks))
    )
    found = {
        task: scores_of(schema, task, by_task[t], labels[:, t], bins, groups, weights)
        for t, task in enumerate(schema.tasks)
    }
    if not schema.funnel:
        return {"tasks": found}

    def score(own: Tensor, truth: Tensor, rows: Tensor) -> dict[str, list[float]]:
        within, weighed = _of_rows(groups, rows), _of_rows(weights, rows)
        return task_metrics(BINARY, own, truth, bins=bins, groups=within, weights=weighed)

    click, conversion = (by_task[step] for step in schema.steps)
    truth = labels[:, list(schema.steps)]  # [N, 2]
    funnel = funnel_metrics(click, conversion, truth, score, schema.partly_labelled)
    return {"tasks": found, "funnel": funnel}


def _of_rows(values: Tensor | None, rows: Tensor) -> Tensor | None:
    """The values [N] of some rows, if there are any."""
    return None if values is None else values[rows]


def _require_weights(schema: Schema) -> None:
    if schema.weight is None:
        raise ParamsError(
            f"{schema.dataset} has no row weights",
            where=f"evaluate.sample_weights in conf/{schema.dataset}/data.yaml",
            got=True,
            next_step="set it to false, or name the column that holds the weights",
        )


def _history(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(
            f"{path} can't be read: {error}", where=path, next_step="dvc repro, or dvc checkout"
        ) from error
