"""The results of the regimes: a file per dataset and pool, computed from predictions for test."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emm.config.binding import bind
from emm.core.errors import DataError
from emm.core.files import write_json
from emm.metrics.procedures import Estimate
from emm.metrics.significance import holm
from emm.metrics.uncertainty import ScoredRows, auc_estimate, compare_procedures
from emm.regimes.names import AVERAGE, EMM
from emm.regimes.settings import ALL

FORMAT = 1


@dataclass(frozen=True)
class Score:
    """AUC on test of a method: the mean over draws, its interval, and that of each draw."""

    auc: float
    low: float
    high: float
    draws: tuple[float, ...]


@dataclass(frozen=True)
class Difference:
    """AUC of EMM minus that of a method on the same draws and test rows.

    ``holm``: the p value, adjusted for the comparisons of its family; ``better``: in how many draws
    EMM is above.
    """

    value: float
    error: float
    low: float
    high: float
    p: float
    holm: float
    better: int


@dataclass(frozen=True)
class Size:
    """The results with so many joint rows.

    Attributes:
        rows: number of joint rows; about that many if ``all``.
        all: whether these are all of the joint rows.
        differences: by method, of all but EMM.
        steps: how many draws took each step of EMM.
    """

    rows: int
    all: bool
    scores: Mapping[str, Score]
    differences: Mapping[str, Difference]
    steps: Mapping[str, int]

    @property
    def draws(self) -> int:
        return len(self.scores[EMM].draws)


@dataclass(frozen=True)
class PoolResults:
    """The results of one pool of a dataset.

    Attributes:
        members: mean AUC of each member on test, over draws.
        test_rows, test_positives: of the task, on test.
    """

    format: int
    dataset: str
    pool: str
    task: str
    members: Mapping[str, float]
    test_rows: int
    test_positives: int
    sizes: tuple[Size, ...]


Predictions = Mapping[str, Tensor]


def pool_results(
    dataset: str,
    pool: str,
    task: str,
    labels: Tensor,
    predictions: Sequence[Predictions],
    about: Mapping[str, Any],
) -> PoolResults:
    """Compare EMM with all other methods, at every number of joint rows.

    ``labels``: of test, [N]; ``predictions``: of the pool's methods and of those from scratch,
    logits [N] by METHOD/ROWS/DRAW.
    """
    together: dict[str, Tensor] = {}
    for each in predictions:
        together |= each
    sizes = _grouped(together)
    order = sorted(sizes, key=lambda rows: (rows == ALL, rows))
    rows = {size: _scored(sizes[size], labels) for size in order}
    compared = {
        (size, method): compare_procedures(rows[size][EMM], other, paired=True)
        for size in order
        for method, other in rows[size].items()
        if method != EMM
    }
    adjusted = _adjusted(compared)
    found = []
    for size in order:
        differences = {
            method: _difference(each, adjusted[at, method], rows[at][EMM], rows[at][method])
            for (at, method), each in compared.items()
            if at == size
        }
        scores = {method: _score(each) for method, each in rows[size].items()}
        count = int(about["joint_rows"]) if size == ALL else size
        found.append(Size(count, size == ALL, scores, differences, _steps(about, size)))
    members = {name: sum(each) / len(each) for name, each in about["members"].items()}
    positives = int(labels.sum())
    return PoolResults(FORMAT, dataset, pool, task, members, len(labels), positives, tuple(found))


def results_file(root: Path, dataset: str, pool: str) -> Path:
    """The file with the results of a pool of a dataset; ``root``: the folder of the regimes."""
    return root / "results" / f"{dataset}-{pool}.json"


def page_file(root: Path) -> Path:
    """The page."""
    return root / "report.md"


def write_results(path: Path, results: PoolResults) -> None:
    """Write the file of a pool."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, asdict(results))


def load_results(path: Path) -> PoolResults:
    """Read the file of a pool. Raises DataError."""
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _refused(path, str(error)) from error
    errors: list[str] = []
    found: PoolResults | None = bind(PoolResults, tree, "", errors)
    if found is None or found.format != FORMAT:
        raise _refused(path, "; ".join(errors) or "another format")
    return found


def _adjusted(compared: Mapping[tuple[int, str], Estimate]) -> dict[tuple[int, str], float]:
    """P values after Holm's correction, in two families: against the average, with every number of
    joint rows, which is the question; and against all other methods."""
    found = dict[tuple[int, str], float]()
    for primary in (True, False):
        family = {key: each.p for key, each in compared.items() if (key[1] == AVERAGE) == primary}
        found |= dict(zip(family, holm([*family.values()]), strict=True))
    return found


def _grouped(predictions: Predictions) -> dict[int, dict[str, list[Tensor]]]:
    """Predictions by number of joint rows and method, in the order of draws."""
    found: dict[int, dict[str, list[Tensor]]] = {}
    keys = [key.split("/") for key in predictions]
    for method, rows, draw in sorted(keys, key=lambda key: int(key[2])):
        of_size = found.setdefault(int(rows), {})
        of_size.setdefault(method, []).append(predictions[f"{method}/{rows}/{draw}"])
    return found


def _scored(of_size: Mapping[str, Sequence[Tensor]], labels: Tensor) -> dict[str, ScoredRows]:
    draws = len(of_size[EMM])
    wrong = [method for method, each in of_size.items() if len(each) != draws]
    if wrong:
        raise DataError(
            "methods of the regimes have different draws",
            got={method: len(of_size[method]) for method in wrong},
            expected=f"{draws} draws",
            next_step="dvc repro in study/regimes/",
        )
    return {method: ScoredRows(torch.stack([*each]), labels) for method, each in of_size.items()}


def _score(rows: ScoredRows) -> Score:
    found = auc_estimate(rows)
    return Score(found.value, *found.interval, tuple(rows.aucs))


def _difference(
    found: Estimate, adjusted: float, first: ScoredRows, second: ScoredRows
) -> Difference:
    better = sum(one > other for one, other in zip(first.aucs, second.aucs, strict=True))
    return Difference(found.value, found.error, *found.interval, found.p, adjusted, better)


def _steps(about: Mapping[str, Any], size: int) -> dict[str, int]:
    """How many draws took each step of EMM."""
    taken = [
        [step["step"] for step in fits["steps"] if step["taken"]]
        for fits in about["fits"]
        if fits["rows"] == size
    ]
    names = dict.fromkeys(
        step["step"] for fits in about["fits"] for step in fits["steps"] if step["step"] != AVERAGE
    )
    return {name: sum(name in each for each in taken) for name in names}


def _refused(path: Path, why: str) -> DataError:
    return DataError(
        f"results of the regimes can't be read: {why}",
        where=path,
        next_step=f"dvc repro fit@{path.stem} in study/regimes/",
    )
