"""docs/weighting.md: the numbers of the committed result files, and every rule."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import weighting_docs as docs
from emm.config.signatures import keywords_of
from emm.training.weighting import WEIGHTINGS

PAGES = (docs.PAGE, docs.ROOT / "docs/configuration.md")
OTHERS = docs.ROOT / "docs/other-libraries.md"


def runs(*means: float) -> dict[str, Any]:
    """One run per seed, with two tasks of this mean AUC."""
    return {str(n): {"epoch": 1, "auc": {"a": m - 0.1, "b": m + 0.1}} for n, m in enumerate(means)}


def test_the_page_has_the_tables_of_the_result_files() -> None:
    text = docs.PAGE.read_text(encoding="utf-8")
    assert docs.page(text) == text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_rule_and_argument_is_on_the_page(page: Path) -> None:
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    for rule, kind in WEIGHTINGS.items():
        own = [line for line in lines if f"`{rule}`" in line.split("|")[1]]
        assert own, rule
        for argument in keywords_of(kind):
            assert any(f"`{argument}`" in line for line in own), f"{rule}: {argument}"


def test_a_constant_gain_is_beyond_noise_and_a_random_one_is_not(tmp_path: Path) -> None:
    equal = [0.80, 0.81, 0.79, 0.80, 0.82]
    every = {
        "equal": runs(*equal),
        "famo": runs(*(value + 0.01 + 0.0001 * n for n, value in enumerate(equal))),
        "mgda": runs(*(value - 0.02 - 0.0001 * n for n, value in enumerate(equal))),
        "dwa": runs(0.81, 0.80, 0.80, 0.79, 0.83),
    }
    (tmp_path / "adult.json").write_text(json.dumps({"runs": every}))
    found = docs.comparison(tmp_path)
    assert "| `equal` | 0.80400 |" in found
    assert "| `famo` | +0.01020 ± 0.00016 * |" in found
    assert "| `dwa` | +0.00200 ± 0.01095 |" in found
    assert "| `cagrad` | - |" in found
    assert (
        "- adult: 1 of 3 rules are within noise of equal weights; better: `famo`; worse: `mgda`."
    ) in found


def test_differences_are_paired_by_the_seeds_that_both_have(tmp_path: Path) -> None:
    every = {"equal": runs(0.8, 0.9), "dwa": {"1": runs(0.0, 0.91)["1"]}}
    (tmp_path / "adult.json").write_text(json.dumps({"runs": every}))
    assert "| `dwa` | +0.01000 |" in docs.comparison(tmp_path)


def test_the_t_test_is_the_textbooks() -> None:
    # Student (1908), the sleep data: t = -4.0621 with 9 degrees of freedom, p = 0.002833.
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    gaps = [a - b for a, b in zip(first, second, strict=True)]
    assert docs.paired_t(gaps) == pytest.approx(0.002833, abs=1e-6)
    assert docs.paired_t([0.1, 0.1]) == 0.0
    assert docs.paired_t([0.0, 0.0]) == 1.0


def test_every_model_and_rule_of_ours_is_in_the_table_of_other_libraries() -> None:
    text = OTHERS.read_text(encoding="utf-8").lower()
    names = {"aligned-mtl": "aligned-mtl", "equal": "equal weights", "fixed": "fixed weights"}
    for rule in WEIGHTINGS:
        assert names.get(rule, rule) in text, rule
