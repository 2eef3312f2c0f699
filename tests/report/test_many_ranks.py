import math

import pytest

from emm.metrics.ranks import against_control, friedman
from emm.metrics.significance import holm
from emm.report.many_ranks import outcomes, rank_tables
from tests.report.many import table

A = table("a", {"tm-1": [0.70, 0.70], "mmoe": [0.80, 0.60], "emm": [0.90, 0.90]})
A3 = table("a-3", {"tm-1": [0.70, 0.70, 0.7], "mmoe": [0.8, 0.8, 0.8], "emm": [0.9, 0.9, 0.9]})
B = table("b", {"tm-1": [0.75], "mmoe": [0.75], "emm": [0.60]})
TABLES = {"a": A, "a-3": A3, "b": B}
SOURCES = {"a": "census", "a-3": "census", "b": "shop"}


def test_a_rank_in_a_table_is_the_mean_over_its_tasks() -> None:
    found = rank_tables(TABLES, SOURCES, "emm").by_table
    assert found["a"] == {"tm-1": 2.5, "mmoe": 2.5, "emm": 1}
    assert found["b"] == {"tm-1": 1.5, "mmoe": 1.5, "emm": 3}


def test_tables_of_the_same_rows_are_one_block() -> None:
    found = rank_tables(TABLES, SOURCES, "emm")
    assert found.blocks == {"census": ("a", "a-3"), "shop": ("b",)}
    # Within census, the means are 2.75, 2.25 and 1: ranks 3, 2 and 1.
    assert found.means == {"tm-1": (3 + 1.5) / 2, "mmoe": (2 + 1.5) / 2, "emm": (1 + 3) / 2}


def test_the_tests_are_of_the_ranks_of_the_blocks() -> None:
    found = rank_tables(TABLES, SOURCES, "emm").tests
    blocks = [[3.0, 2.0, 1.0], [1.5, 1.5, 3.0]]
    assert found is not None
    assert found.friedman == friedman(blocks)
    assert [*found.against.values()] == against_control(blocks, 2)[:2]


def test_one_block_has_no_test() -> None:
    assert rank_tables({"a": A, "a-3": A3}, SOURCES, "emm").tests is None


def test_models_that_a_table_lacks_have_no_rank() -> None:
    found = rank_tables(
        {"a": A, "c": table("c", {"mmoe": [0.7], "emm": [0.8]})}, {"a": "a", "c": "c"}, "emm"
    )
    assert found.models == ("mmoe", "emm")


@pytest.mark.parametrize(
    ("auc", "verdict"), [(0.797, "win"), (0.7985, "tie"), (0.8015, "tie"), (0.803, "loss")]
)
def test_a_tie_has_0_in_its_interval(auc: float, verdict: str) -> None:
    tables = {"a": table("a", {"mmoe": [auc], "emm": [0.8]})}
    assert [each.verdict for each in outcomes(tables, ("mmoe", "emm"))["mmoe"]] == [verdict]


def test_holm_is_over_all_comparisons() -> None:
    tables = {"a": table("a", {"tm-1": [0.7975], "mmoe": [0.798], "emm": [0.8]})}
    found = outcomes(tables, ("tm-1", "mmoe", "emm"))
    raw = [math.erfc(z / math.sqrt(2)) for z in (2.5, 2.0)]
    assert [found[m][0].adjusted for m in ("tm-1", "mmoe")] == pytest.approx(holm(raw))
    assert [found[m][0].certain for m in ("tm-1", "mmoe")] == [True, True]
    assert "emm" not in found
