"""Display names and lists of names."""

import pytest

from emm.report.names import display_name, join_names


@pytest.mark.parametrize(
    ("model", "name"),
    [("tm-1", "TM-1"), ("shared_bottom", "SharedBottom"), ("adatt", "AdaTT"), ("mine", "mine")],
)
def test_display_name(model: str, name: str) -> None:
    assert display_name(model) == name


@pytest.mark.parametrize(
    ("names", "text"),
    [([], ""), (["A"], "A"), (["A", "B"], "A and B"), (list("ABC"), "A, B and C")],
)
def test_join_names(names: list[str], text: str) -> None:
    assert join_names(names) == text
