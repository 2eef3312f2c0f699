"""Tables of benchmarks/README.md that are made of the files in tuning/."""

import json

import pytest

from benchmarks import networks, whole_numbers
from benchmarks.results import between

PAGE = "before\n<!-- a:start -->\n{}\n<!-- a:end -->\nafter"


def test_the_page_has_the_results_of_the_networks() -> None:
    text = networks.PAGE.read_text(encoding="utf-8")
    assert networks.page(text) == text


def test_the_page_has_the_results_of_whole_numbers() -> None:
    text = whole_numbers.PAGE.read_text(encoding="utf-8")
    found = json.loads(whole_numbers.OUT.read_text(encoding="utf-8"))
    assert between(text, "whole-numbers", whole_numbers.table(found)) == text


def test_only_what_is_between_the_markers_is_replaced() -> None:
    assert between(PAGE.format("old"), "a", "new") == PAGE.format("new")


def test_a_page_without_a_marker_is_an_error() -> None:
    with pytest.raises(ValueError, match="no markers <!-- a:start --> and <!-- a:end -->"):
        between("<!-- a:start --> b", "a", "new")
