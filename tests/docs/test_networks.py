"""The tables of more networks in benchmarks/README.md are those of the committed result files."""

import json
from pathlib import Path
from typing import Any

from benchmarks import networks
from tests.configuration import ROOT


def a_run(model: str, seed: int, first: float, second: float) -> dict[str, Any]:
    sizes = {"rows": 2000, "parameters": 1234, "operations": 99}
    return {"model": model, "seed": seed, **sizes, "auc": {"click": first, "buy": second}}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_has_the_tables_of_the_result_files() -> None:
    text = (ROOT / networks.PAGE).read_text(encoding="utf-8")
    assert networks.page(text, ROOT / networks.RESULTS) == text


def test_a_table_has_means_over_seeds_and_differences_paired_by_seed(tmp_path: Path) -> None:
    runs = [a_run("mmoe", seed, 0.7, 0.6 + seed / 10) for seed in (0, 1)]
    runs += [a_run("home", 1, 0.8, 0.7), a_run("home", 5, 0.9, 0.9)]
    log = tmp_path / "shop.jsonl"
    log.write_text("\n".join(map(json.dumps, runs)))
    title, _, head, _, *lines = networks.table_of("shop", networks.read(log)).splitlines()
    assert title == "shop, 2,000 rows of train, seeds 0, 1:"
    assert cells(head)[3:] == ["click", "buy", "mean AUC, difference"]
    mmoe = ["MMoE", "1,234", "99", "0.70000 ± 0.00000", "0.65000 ± 0.07071", ""]
    assert cells(lines[0]) == mmoe
    assert cells(lines[1])[-1] == "+0.05000"
