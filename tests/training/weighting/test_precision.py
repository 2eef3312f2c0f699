"""Every rule with matrix products in bfloat16."""

from typing import Any

import pytest

from emm.training.weighting import WEIGHTINGS
from tests.training.fitting import mmoe, run

ARGUMENTS: dict[str, dict[str, Any]] = {"fixed": {"weights": [3, 1]}}


@pytest.mark.parametrize("rule", WEIGHTINGS)
def test_losses_are_those_of_float32_to_two_digits(rule: str) -> None:
    weighting = {"rule": rule, **ARGUMENTS.get(rule, {})}
    plain, rounded = (
        run(mmoe(dropout=0.0), max_epochs=3, weighting=weighting, precision=precision)
        for precision in ("float32", "bfloat16")
    )
    for own, other in zip(plain, rounded, strict=True):
        assert other.train_loss == pytest.approx(own.train_loss, abs=0.02)
