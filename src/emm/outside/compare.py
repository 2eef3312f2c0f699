"""The comparison of a model's predictions here with the original's own."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from emm.core.errors import ModelFileError
from emm.data.tables.schema import BINARY, REGRESSION, Target
from emm.outside.logits import Values, to_probabilities
from emm.outside.member import Checked
from emm.outside.reference import Reference
from emm.outside.settings import Gives

_WORST = 3


@dataclass(frozen=True)
class Limit:
    """What is compared, and how exactly.

    ``kind``: of the task; ``target``: of a regression, whose values are compared in its standard
    deviations, unless they are standardised; others are compared as probabilities.
    """

    kind: str
    tolerance: float
    reason: str | None = None
    target: Target | None = None


def compare(
    name: str,
    predictions: Values,
    gives: Gives,
    reference: Reference,
    limit: Limit,
    inputs: pl.DataFrame,
) -> Checked:
    """Compare predictions [N, C] with the reference's; ``inputs``: what the model read.

    Raises ModelFileError that names the worst rows if any differs by more than the tolerance.
    """
    here, there = _comparable(predictions, gives, reference.predictions, limit)
    scale = limit.target.std if gives == "value" and limit.target else 1.0
    differences = np.abs(here - there) / scale
    if not np.isfinite(here).all():
        differences = np.where(np.isfinite(here), differences, np.inf)
    by_row = differences.max(axis=1)
    largest = float(by_row.max())
    if largest > limit.tolerance:
        raise ModelFileError(
            f"{name} doesn't predict here what its original predicts",
            where=reference.path,
            got="; ".join(_worst(here, there, by_row)),
            expected=f"differences of at most {limit.tolerance:g} in all {len(by_row):,} rows; "
            f"{int((by_row > limit.tolerance).sum()):,} differ by more",
            next_step=_advice(here, there, by_row > limit.tolerance, inputs, limit),
        )
    return Checked(len(by_row), largest, limit.tolerance, limit.reason)


def _comparable(
    values: Values, gives: Gives, original: Values, limit: Limit
) -> tuple[Values, Values]:
    """Both as probabilities, or as values; the original's may be probabilities or logits."""
    if limit.kind == REGRESSION:
        return values.astype(np.float64), original
    here = to_probabilities(values, gives, limit.kind)
    logits = to_probabilities(original, "logit", limit.kind)
    probable = bool(((original >= 0) & (original <= 1)).all())
    fits = float(np.abs(here - logits).max()) <= limit.tolerance
    return (here, logits) if fits or not probable else (here, original)


def _worst(here: Values, there: Values, by_row: Values) -> Iterator[str]:
    for row in np.argsort(-by_row, kind="stable")[:_WORST]:
        column = int(np.abs(here[row] - there[row]).argmax())
        of = f" of class {column}" if here.shape[1] > 1 else ""
        yield f"row {row + 1}{of}: {here[row, column]:.6g} here, {there[row, column]:.6g} there"


def _advice(here: Values, there: Values, wrong: Values, inputs: pl.DataFrame, limit: Limit) -> str:
    """What the pattern of the differences says."""
    if limit.kind == BINARY and np.abs(1 - here - there).max() <= limit.tolerance:
        return (
            "the reference predicts the other class: name the other output, such as "
            "`output: probabilities[:, 0]`, or write the probability of 1 into the reference"
        )
    blank = [
        column.name
        for column in inputs
        if column.null_count() and (column.is_null().to_numpy() == wrong).all()
    ]
    if blank:
        return (
            f"exactly the rows without a value of {blank[0]!r} differ: give the model what it "
            f"knows a missing value as, such as columns: {{{blank[0]}: COALESCE(..., -1)}}"
        )
    if float(np.abs(here - there).max()) <= 1e-4:
        return (
            "if the model computes in float32, write `tolerance: 1e-4` with a `reason`; otherwise "
            "look for values that differ only slightly, such as rounded ones"
        )
    return (
        "the file is that of another model, or its inputs read other columns or units than where "
        "it was trained: compare `columns` with the columns that it was trained on"
    )
