"""Printed names."""

import pytest

from emm.report.names import listed, printed


@pytest.mark.parametrize(
    ("model", "name"),
    [("tm-1", "TM-1"), ("shared_bottom", "SharedBottom"), ("adatt", "AdaTT"), ("mine", "mine")],
)
def test_printed(model: str, name: str) -> None:
    assert printed(model) == name


@pytest.mark.parametrize(
    ("names", "text"),
    [([], ""), (["A"], "A"), (["A", "B"], "A and B"), (list("ABC"), "A, B and C")],
)
def test_listed(names: list[str], text: str) -> None:
    assert listed(names) == text
