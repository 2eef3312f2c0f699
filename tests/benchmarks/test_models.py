from argparse import Namespace
from typing import Any

from rich.console import Console

from benchmarks.models import _aucs, _libraries, _only, _speeds

RATES = {"emm": [10, 30], "emm, compiled": [20, 20], "torch-rechub": [1, 5], "fuxictr": [2, 2]}
FOUND: dict[str, Any] = {
    model: {
        library: {
            "parameters": 7,
            "rows_per_second": {"training": RATES[library]},
            **({} if "compiled" in library else {"auc": [{"income": 0.9}, {"income": 0.8}]}),
        }
        for library in libraries
    }
    for model, libraries in (("mmoe", RATES), ("aitm", [*RATES][:3]))
}


def cells(table: Any) -> list[list[str]]:
    """The text of each row's cells."""
    assert Console(quiet=True).measure(table)
    return [[*row] for row in zip(*(column.cells for column in table.columns), strict=True)]


def test_fuxictr_is_compared_where_it_has_the_model() -> None:
    assert _libraries("ple") == ("emm", "emm, compiled", "torch-rechub", "fuxictr")
    assert _libraries("esmm") == ("emm", "emm, compiled", "torch-rechub")


def test_rates_are_compared_with_each_peer_within_a_round() -> None:
    assert cells(_speeds(FOUND)) == [
        ["MMoE", "training", "20", "20", "3", "2", "8.0", "12.0", "10.0", "10.0"],
        ["AITM", "training", "20", "20", "3", "", "8.0", "12.0", "", ""],
    ]


def test_scores_are_means_over_seeds() -> None:
    assert cells(_aucs(FOUND, Namespace(epochs=1, seeds=2))) == [
        ["MMoE", "income", "0.8500", "0.8500", "0.8500"],
        ["AITM", "income", "0.8500", "0.8500", ""],
    ]


def test_results_keep_what_was_measured() -> None:
    kept = _only(FOUND, "auc")
    assert set(kept["mmoe"]) == {"emm", "torch-rechub", "fuxictr"}
    assert kept["aitm"]["emm"] == {"parameters": 7, "auc": [{"income": 0.9}, {"income": 0.8}]}
