"""Write the tables of docs/tuning.md about the recipe `default` from the files of its comparisons.

python -m benchmarks.default_docs
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.results import between, markdown

ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS = ROOT / "docs/tuning.md", ROOT / "tuning/default"
TABLES = {
    "adult-1000": "Adult",
    "adult-4000": "Adult",
    "kuairand-pure-4000": "KuaiRand-Pure",
    "online-shoppers-6000": "Online Shoppers",
    "rare-5000": "rare",
}
RARE = 100  # rows of a class, below which the rules choose by the loss
FEW = 50  # rows of the rarest class that choose the epoch
EARLIER = "rare-5000-six-epochs"
NETWORKS = {
    "default": "**the rules**",
    "defaults: fixed": "`defaults: fixed` and empty sections",
    "learning_rate: 0.002": "`learning_rate: 0.002` (0.005)",
    "learning_rate: 0.01": "`learning_rate: 0.01`",
    "dropout: 0.1": "`dropout: 0.1` (0.2)",
    "dropout: 0.3": "`dropout: 0.3`",
    "4 epochs": "4 epochs (9, or 6 without a rare class)",
    "9 epochs": "9 epochs",
}
TREES = {
    "default": "boosted trees, the rules",
    "max_leaf_nodes: 31": "boosted trees, `max_leaf_nodes: 31` (7)",
    "for large tables": "boosted trees, columns and categories as from 50,000 rows on",
    "library: catboost": "boosted trees, `library: catboost`",
    "library: scikit-learn": "boosted trees, `library: scikit-learn`",
}
CHOICES: dict[str, Callable[[Mapping[str, list[float]]], int]] = {
    "the best AUC": lambda run: run["chosen"].index(max(run["chosen"])),
    "the least loss": lambda run: run["loss"].index(min(run["loss"])),
    "nothing: it is the last": lambda run: len(run["loss"]) - 1,
}


def scores_table() -> str:
    """Mean AUC of each variant on rows that nothing saw, at the epoch that the rules choose."""
    found = {name: read(name) for name in TABLES}
    rows = [
        ["table", *TABLES.values()],
        ["rows learned", *(f"{each['rows']['learned']:,}" for each in found.values())],
        [
            "rows of the rarest class among those that choose the epoch",
            *(str(each["facts"]["rarest"]) for each in found.values()),
        ],
        *(
            [title, *(f"{score(each, name):.3f}" for each in found.values())]
            for name, title in NETWORKS.items()
        ),
        *(
            [title, *(f"{each['trees'][name]:.3f}" for each in found.values())]
            for name, title in TREES.items()
        ),
    ]
    return markdown(rows[0], rows[1:])


def choices_table() -> tuple[int, str]:
    """Number of trainings with few rows to choose by; what each choice of the epoch costs them."""
    tables = [read(EARLIER), *(read(name) for name in TABLES)]
    runs = [
        run
        for each in tables
        if each.get("facts", {"rarest": 0})["rarest"] < FEW
        for variant, of_seeds in each["networks"].items()
        if variant != "defaults: fixed"  # another schedule
        for run in of_seeds
    ]
    rows = [["the epoch is chosen by", "in the mean", "at worst"]]
    for title, choose in CHOICES.items():
        lost = [max(run["unseen"]) - run["unseen"][choose(run)] for run in runs]
        rows.append([title, f"{fmean(lost):.3f}", f"{max(lost):.3f}"])
    return len(runs), markdown(rows[0], rows[1:])


def score(table: Mapping[str, Any], variant: str) -> float:
    """Mean over seeds of a variant's AUC at the epoch that the rules choose."""
    rare = table["facts"]["rarest"] < RARE
    choose = CHOICES["the least loss" if rare else "the best AUC"]
    return fmean(run["unseen"][choose(run)] for run in table["networks"][variant])


def read(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def page(text: str) -> str:
    """The page with the current tables between its markers."""
    count, choices = choices_table()
    choices = f"Over {count} such trainings, the AUC on unseen rows lost:\n\n{choices}"
    for name, table in {"scores": scores_table(), "choices": choices}.items():
        text = between(text, name, table)
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
