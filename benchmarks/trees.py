"""Speed of scoring boosted trees, compared with scikit-learn's own predictor.

    python -m benchmarks.trees --rows 50000 --trees 250

scikit-learn boosts trees on the processed rows of Census-Income, with the settings of the recipe,
and on generated numbers. Ours scores the same trees from its tensors, with tables (as on any CPU)
and by walking (as on CUDA); scikit-learn from the matrix of float64 that it computes in. They take
turns. Seconds are processor time on one thread, medians of the rounds.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits
from torch import Tensor

from benchmarks.results import add_out, save
from emm.data.tables.memory import open_splits
from emm.data.tables.schema import load_schema
from emm.nn.inputs import Inputs
from emm.training.store import inputs_of
from emm.trees import forest
from emm.trees.forest import TreeEnsemble, categorical_fields
from emm.trees.sklearn_trees import from_sklearn

_PROCESSED = Path("data/processed/census-income")
_TRAINED_ON = 50_000  # rows
_NUMBERS = 20  # generated columns

Work = Callable[[], Any]


@dataclass(frozen=True)
class Data:
    """Rows [N] to train on and to score."""

    inputs: Inputs
    dense: Tensor
    sparse: Tensor
    labels: NDArray[Any]

    @property
    def matrix(self) -> NDArray[np.float64]:
        return torch.cat([self.dense.double(), self.sparse.double()], dim=1).numpy()


@dataclass(frozen=True)
class Measured:
    """Seconds by way of scoring, of each round."""

    data: str
    rows: int
    trees: int
    leaves: int
    tables: float
    """Seconds that it takes to make the tables, once."""
    seconds: Mapping[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processed", type=Path, default=_PROCESSED)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--trees", type=int, default=250)
    parser.add_argument("--leaves", type=int, action="append", help="of a tree; may be repeated")
    parser.add_argument("--repeats", type=int, default=3)
    add_out(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    runs = []
    with threadpool_limits(1):
        census = _census(options.processed, options.rows)
        for leaves in options.leaves or [31, 127]:
            runs.append(_measure("Census-Income", census, leaves, options))
        runs.append(_measure("numbers", _generated(options.rows), 31, options))
    Console().print(_shown(runs))
    about = {"scikit-learn": version("scikit-learn"), "threads": 1}
    save(options.out, "trees", {**about, "runs": [asdict(run) for run in runs]})


def _census(processed: Path, rows: int) -> Data:
    schema = load_schema(processed / "schema.json")
    train = open_splits(processed, ("train",), schema, torch.device("cpu"))["train"]
    table = next(train.in_order(max(rows, _TRAINED_ON)))
    return Data(inputs_of(schema), table.dense, table.sparse, table.labels[:, 0].numpy())


def _generated(rows: int) -> Data:
    draw = np.random.default_rng(0)
    dense = draw.gamma(2, 100, (max(rows, _TRAINED_ON), _NUMBERS)).astype(np.float32)
    score = np.sin(dense / 50).sum(axis=1) + draw.normal(size=len(dense))
    return Data(
        Inputs(_NUMBERS, ()),
        torch.from_numpy(dense),
        torch.zeros(len(dense), 0, dtype=torch.int32),
        (score > np.median(score)).astype(np.int64),
    )


def _measure(name: str, data: Data, leaves: int, options: argparse.Namespace) -> Measured:
    estimator = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=options.trees,
        max_leaf_nodes=leaves,
        categorical_features=[False] * data.inputs.dense + categorical_fields(data.inputs),
        early_stopping=False,
    )
    estimator.fit(data.matrix[:_TRAINED_ON], data.labels[:_TRAINED_ON])
    ensemble = from_sklearn(estimator, data.inputs, options.trees)
    walking = from_sklearn(estimator, data.inputs, options.trees)
    dense, sparse = data.dense[: options.rows], data.sparse[: options.rows]
    matrix = data.matrix[: options.rows]
    _walk(walking, dense, sparse)
    first = _seconds(lambda: ensemble.decision(dense[:1], sparse[:1]))
    works: dict[str, Work] = {
        "scikit-learn": lambda: estimator.decision_function(matrix),
        "emm": lambda: ensemble.decision(dense, sparse),
        "emm, walking": lambda: walking.decision(dense, sparse),
    }
    found = [work() for work in works.values()]
    assert torch.equal(found[1], found[2])
    np.testing.assert_allclose(found[1].numpy(), found[0], rtol=0, atol=1e-10)
    rounds = [{way: _seconds(work) for way, work in works.items()} for _ in range(options.repeats)]
    seconds = {way: [round(each[way], 4) for each in rounds] for way in works}
    return Measured(name, len(dense), options.trees, leaves, round(first, 4), seconds)


def _walk(ensemble: TreeEnsemble, dense: Tensor, sparse: Tensor) -> None:
    """Make an ensemble walk, by the limit that makes very large ones walk."""
    tables, forest.mask_tables = forest.mask_tables, lambda *_: None
    ensemble.decision(dense[:1], sparse[:1])
    forest.mask_tables = tables


def _seconds(work: Work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _shown(runs: list[Measured]) -> Table:
    table = Table("data", "trees", "leaves", "tables, s", "emm, s", "scikit-learn, s", "walking, s")
    table.add_column("ratio")
    for run in runs:
        ours, theirs, walking = (
            run.seconds[way] for way in ("emm", "scikit-learn", "emm, walking")
        )
        ratio = median(a / b for a, b in zip(theirs, ours, strict=True))
        times = (f"{median(each):.2f}" for each in (ours, theirs, walking))
        counts = f"{run.trees:,}", f"{run.leaves}", f"{run.tables:.2f}"
        table.add_row(run.data, *counts, *times, f"{ratio:.1f}")
    return table


if __name__ == "__main__":
    main()
