"""Ways to predict rows that are in memory, in one process on one thread.

    python -m benchmarks.predict_ways FOLDER census-income/paper/emm BUNDLE --rows 50000

Writes one line of JSON: rows by processor second of each round in batches, and the time of single
rows. The rows are golden ones, drawn from the vocabularies and quantiles of train.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import schema_hash
from emm.export.columns import ENCODED_DENSE, ENCODED_SPARSE
from emm.export.expected import features_of
from emm.export.feed import feed
from emm.export.golden import golden_rows
from emm.export.graph import model_signature
from emm.export.predicting import open_bundle
from emm.export.stored import as_one
from emm.export.write import session
from emm.fusion.emm import EMM
from emm.predict.encoder import Encoder, open_encoder
from emm.training.fit import EVALUATION_ROWS, predict
from emm.training.store import Stored, load_models

SINGLE = 300
"""Rows that are predicted one by one, after a few that warm up."""
_WARM_UP = 20

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Way:
    """``batch``: predicts all rows; ``single``: predicts the row with a number, None if it isn't
    made for that."""

    batch: Callable[[], Any]
    single: Callable[[int], Any] | None = None


@dataclass(frozen=True)
class Rows:
    """The same rows raw, as tensors of raw columns, and encoded."""

    raw: pl.DataFrame
    values: Sequence[Mapping[str, Any]]
    fed: Arrays
    dense: Tensor
    sparse: Tensor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path, help="folder with data/")
    parser.add_argument("model", help="dataset/recipe/model")
    parser.add_argument("bundle", type=Path, help="the exported model")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as scratch:
        ways = _ways(options, Path(scratch))
        for way in ways.values():
            way.batch()
        rounds = [
            {name: _seconds(way.batch) for name, way in ways.items()}
            for _ in range(options.repeats)
        ]
        rates = {name: [round(options.rows / each[name]) for each in rounds] for name in ways}
        singles = {name: _one_by_one(way.single) for name, way in ways.items() if way.single}
    found = {"rows": options.rows, "rows_per_second": rates, "single_ms": singles}
    sys.stdout.write(json.dumps(found) + "\n")


def _ways(options: argparse.Namespace, scratch: Path) -> dict[str, Way]:
    dataset, recipe, model = options.model.split("/")
    data = options.project / "data"
    processed, models = data / "processed" / dataset, data / "models" / dataset / recipe
    encoder, seed = open_encoder(processed), f"seed-{options.seed}"

    def load(name: str) -> list[Stored]:
        return load_models(
            models / name / seed, encoder.schema, schema_hash(processed / "schema.json")
        )

    stored = load(model)
    rows = _rows(stored, encoder, options.rows)
    columns = RowTensors(rows.dense, rows.sparse, torch.empty(len(rows.dense), 0))
    ways = {
        "encoder, Polars": Way(lambda: encoder.encode(rows.raw)),
        "onnxruntime, raw rows": _onnx_raw(options.bundle / "model.onnx", rows),
        "onnxruntime, encoded rows": _onnx_encoded(options.bundle, rows),
        "torch, encoded rows": _torch([each.model for each in stored], columns),
    }
    pool = [*_pool(stored)]
    if pool:
        members = [each.model for name in pool for each in load(name)]
        ways["torch, the pool one after another"] = _torch(members, columns)
    if model == "mmoe" and find_spec("torch_rechub"):
        ways["torch-rechub's export, encoded rows"] = _rechub(rows, scratch / "rechub.onnx")
    return ways


def _pool(stored: Sequence[Stored]) -> Iterator[str]:
    """The rows of the table that a fused model's members come from."""
    if isinstance(stored[0].model, EMM):
        pool: Any = stored[0].description.arguments["pool"]
        members = [*pool["networks"], *pool["trees"]]
        yield from dict.fromkeys(member["name"].partition("/")[0] for member in members)


def _rows(stored: Sequence[Stored], encoder: Encoder, rows: int) -> Rows:
    raw = golden_rows(encoder, rows)
    fed = feed(raw, model_signature(encoder.schema.tasks, encoder).inputs)
    dense, sparse = features_of(as_one(stored), encoder.encode(raw), encoder.schema)
    singles = range(_WARM_UP + SINGLE)
    values = [{name: fed[name][row, 0] for name in fed} for row in singles]
    return Rows(raw, values, fed, dense, sparse)


def _onnx_raw(path: Path, rows: Rows) -> Way:
    """A single row comes as a value for each column, as a request does."""
    run = partial(session(path).run, None)
    types = {name: array.dtype for name, array in rows.fed.items()}

    def single(row: int) -> Any:
        values = rows.values[row].items()
        return run({name: np.array([[value]], types[name]) for name, value in values})

    return Way(lambda: _in_batches(run, rows.fed), single)


def _onnx_encoded(bundle: Path, rows: Rows) -> Way:
    """The part of the graph after the encoder, as in batch prediction."""
    model = open_bundle(bundle)
    inputs = {ENCODED_DENSE: rows.dense.numpy(), ENCODED_SPARSE: rows.sparse.numpy()}
    read = {each.name: inputs[each.name] for each in model.session.get_inputs()}
    return _of_arrays(partial(model.session.run, [*model.outputs]), read)


def _of_arrays(run: Callable[[Arrays], Any], arrays: Arrays) -> Way:
    def single(row: int) -> Any:
        return run({name: array[row : row + 1] for name, array in arrays.items()})

    return Way(lambda: _in_batches(run, arrays), single)


def _in_batches(run: Callable[[Arrays], Any], arrays: Arrays) -> None:
    rows = len(next(iter(arrays.values())))
    for start in range(0, rows, EVALUATION_ROWS):
        run({name: array[start : start + EVALUATION_ROWS] for name, array in arrays.items()})


def _torch(models: Sequence[torch.nn.Module], rows: RowTensors) -> Way:
    def every(part: RowTensors) -> None:
        for model in models:
            predict(model, part)

    return Way(lambda: every(rows), lambda row: every(rows.part(row, row + 1)))


def _rechub(rows: Rows, path: Path) -> Way:
    from benchmarks.model_runners import read_setting
    from benchmarks.rechub import export_onnx

    setting = read_setting("mmoe", 1, 0)
    export_onnx(setting, path)
    schema = setting.context.schema
    parts = [rows.sparse[:, : len(schema.sparse)].long(), rows.dense]
    columns = [column.numpy() for part in parts for column in part.unbind(1)]
    by_name = dict(zip([*schema.sparse_names, *schema.dense_names], columns, strict=True))
    running = session(path)
    # Ids are [B], numbers [B, 1].
    shapes = {each.name: (-1, *each.shape[1:]) for each in running.get_inputs()}
    fed = {name: np.ascontiguousarray(by_name[name]).reshape(shapes[name]) for name in shapes}
    return _of_arrays(partial(running.run, None), fed)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _one_by_one(single: Callable[[int], Any]) -> dict[str, float]:
    """Milliseconds of a row: processor time and time on the clock, median and 99th percentile."""
    for row in range(_WARM_UP):
        single(row)
    taken = []
    for row in range(_WARM_UP, _WARM_UP + SINGLE):
        start = time.perf_counter(), time.thread_time()
        single(row)
        taken.append((time.perf_counter() - start[0], time.thread_time() - start[1]))
    clock, processor = np.array(taken).T * 1e3
    return {
        "processor_p50": round(float(np.median(processor)), 4),
        "clock_p50": round(float(np.median(clock)), 4),
        "clock_p99": round(float(np.quantile(clock, 0.99)), 4),
    }


if __name__ == "__main__":
    main()
