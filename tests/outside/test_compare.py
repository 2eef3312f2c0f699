from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from emm.core.errors import ModelFileError
from emm.data.tables.schema import Target
from emm.outside.compare import Limit, compare
from emm.outside.logits import Values
from emm.outside.member import Checked
from emm.outside.reference import Reference
from emm.outside.settings import Gives

DRAW = np.random.default_rng(0)
P = DRAW.uniform(0.01, 0.99, (60, 1))
LOGIT = np.log(P / (1 - P))


def check(
    predictions: Values,
    gives: Gives,
    original: Values,
    inputs: dict[str, Any] | None = None,
    **limit: Any,
) -> Checked:
    rows = pl.DataFrame(inputs or {"x": range(len(original))})
    reference = Reference(Path("rows.csv"), rows, original)
    settings = {"kind": "binary", "tolerance": 1e-5, **limit}
    return compare("risk", predictions, gives, reference, Limit(**settings), rows)


@pytest.mark.parametrize("original", [P, LOGIT], ids=["probabilities", "logits"])
@pytest.mark.parametrize(("predictions", "gives"), [(P, "probability"), (LOGIT, "logit")])
def test_probabilities_and_logits_are_compared_as_probabilities(
    predictions: Values, gives: Gives, original: Values
) -> None:
    found = check(predictions, gives, original)
    assert (found.rows, found.tolerance, found.reason) == (60, 1e-5, None)
    assert found.largest_difference < 1e-12


def test_a_logit_within_0_and_1_is_one_if_it_fits_so() -> None:
    logits = P.copy()
    assert check(logits, "logit", logits).largest_difference == 0
    assert check(logits, "logit", 1 / (1 + np.exp(-logits))).largest_difference < 1e-12


def test_the_worst_rows_are_named() -> None:
    wrong = P.copy()
    wrong[[3, 11, 40]] = [[1e-9], [0.5], [1 - P[40, 0]]]
    with pytest.raises(ModelFileError, match="doesn't predict here") as error:
        check(wrong, "probability", P)
    text = str(error.value)
    rows = np.argsort(-np.abs(wrong - P)[:, 0])[:3]
    for row in rows:
        assert f"row {row + 1}: {wrong[row, 0]:.6g} here, {P[row, 0]:.6g} there" in text
    assert "all 60 rows; 3 differ by more" in text


def test_the_tolerance_holds_for_every_row() -> None:
    near = P.copy()
    near[7] += 9e-6
    assert check(near, "probability", P).largest_difference == pytest.approx(9e-6)
    near[7] += 2e-6
    with pytest.raises(ModelFileError, match="1 differ by more"):
        check(near, "probability", P)
    assert check(near, "probability", P, tolerance=1e-4, reason="float32").reason == "float32"


def test_no_number_is_no_match() -> None:
    wrong = P.copy()
    wrong[5] = np.nan
    with pytest.raises(ModelFileError, match="row 6: nan here"):
        check(wrong, "probability", P)


def test_the_other_class_is_recognised() -> None:
    with pytest.raises(ModelFileError, match="the reference predicts the other class"):
        check(1 - P, "probability", P)


def test_rows_with_a_missing_value_are_recognised() -> None:
    wrong = P.copy()
    wrong[[2, 9]] += 0.5
    values = [None if row in (2, 9) else 1.0 for row in range(60)]
    with pytest.raises(ModelFileError, match="exactly the rows without a value of 'age' differ"):
        check(wrong, "probability", P, {"x": range(60), "age": values})


def test_classes_are_compared_column_by_column() -> None:
    logits = DRAW.normal(size=(60, 3))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert check(logits, "logit", shares, kind="classes").largest_difference < 1e-12
    with pytest.raises(ModelFileError, match="of class"):
        check(shares[:, [1, 0, 2]], "probability", shares, kind="classes")


def test_values_are_compared_in_standard_deviations() -> None:
    values = DRAW.normal(1000, 200, (60, 1))
    of = {"kind": "regression", "target": Target(1000.0, 200.0)}
    found = check(values + 1e-3, "value", values, **of)
    assert found.largest_difference == pytest.approx(5e-6)
    with pytest.raises(ModelFileError, match="doesn't predict here"):
        check(values + 1e-2, "value", values, **of)


def test_standardised_values_are_compared_as_they_are() -> None:
    values = DRAW.normal(size=(60, 1))
    of = {"kind": "regression", "target": Target(1000.0, 200.0)}
    assert check(values + 9e-6, "logit", values, **of).largest_difference < 1e-5
    with pytest.raises(ModelFileError, match="doesn't predict here"):
        check(values + 1e-4, "logit", values, **of)
