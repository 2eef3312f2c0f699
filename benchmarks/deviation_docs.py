"""Write the tables of docs/deviations.md from the files of the trials.

python -m benchmarks.deviation_docs
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from benchmarks.results import between, markdown

ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS = ROOT / "docs/deviations.md", ROOT / "tuning/deviations"
TASKS = {"income": "income", "never-married": "never married"}
HEAD = ["way", *TASKS.values(), "mean AUC", "mean AUC, difference"]
NOT_RUN = "-"

Run = Mapping[str, Any]
Scores = dict[int, list[float]]
"""The AUC of each task, by seed."""

WIDTHS = {"mmoe": "MMoE", "ple": "PLE", "aitm": "AITM", "adatt": "AdaTT"}

GROUPS: dict[str, dict[str, str]] = {
    "emm": {
        "emm": "**activated, as in the text**",
        "emm-linear": "`projections: linear`",
        "emm-no-bias": "`projections: linear-no-bias`, the code",
    },
    "aitm": {"aitm": "**biases**", "aitm-no-biases": "`biases: false`, the code"},
    "adatt": {
        "adatt": "**ours**",
        "adatt-shared": "`shared: true`",
        "adatt-no-norm": "`norm: false`, the code",
        "adatt-gate-bias": "`gate_bias: true`, the code",
        "adatt-native-random": "`native: random`, the code",
        "adatt-native-fixed": "`native: fixed`",
        "adatt-published": "the three of the code together",
    },
    "automtl": {
        "automtl": "**ours**",
        "automtl-all-rows": "`folds: 1`",
        "automtl-open-warm-up": "`open_gates: warm-up`",
        "automtl-open-always": "`open_gates: always`",
        "automtl-softmax-all": "`softmax: all`",
        "automtl-dense-ungated": "`dense_gates: false`",
        "automtl-no-stem": "`stem: false`",
        "automtl-hidden-norm": "`operator_norm: hidden`",
        "automtl-entropy": "`certainty: entropy`",
        "automtl-no-joint": "`joint: 0`",
        "automtl-decay": "weight decay as published",
        "automtl-from-search": "`start: search`",
        "automtl-published": "all of the code together",
    },
}
"""By marker of the page: the trials of a table, ours first, and how it calls them."""


def comparison(trials: Mapping[str, str]) -> str:
    """A table of trials and their differences from the first, and which differ with every seed."""
    runs = {name: scores_of(read(name)) for name in trials}
    base, *others = runs
    rows = [HEAD, *(row(title, runs[name], runs[base]) for name, title in trials.items())]
    return f"{markdown(rows[0], rows[1:])}\n\n{verdict(trials, runs, base, others)}"


def verdict(
    trials: Mapping[str, str], runs: Mapping[str, Scores], base: str, others: Sequence[str]
) -> str:
    """One sentence for the ways above, and one for those below the first with each of two or more
    seeds."""
    every = {name: list(differences(runs[name], runs[base]).values()) for name in others}
    found = {name: gaps for name, gaps in every.items() if len(gaps) > 1}
    above = [trials[name] for name, gaps in found.items() if min(gaps) > 0]
    below = [trials[name] for name, gaps in found.items() if max(gaps) < 0]
    sides = {"Above": above, "Below": below}
    return " ".join(
        f"{side} {trials[base]} with each of two or more seeds: {'; '.join(names) or 'none'}."
        for side, names in sides.items()
    )


def widths() -> str:
    """The experts of the text's width 8 next to those of the notebooks' width 16."""
    rows = [["experts", *HEAD[1:]]]
    for model, title in WIDTHS.items():
        base, narrow = (scores_of(read(name)) for name in (model, f"{model}-8"))
        rows += [row(f"{title}, **16**", base, base), row(f"{title}, 8", narrow, base)]
    return markdown(rows[0], rows[1:])


def stopping() -> str:
    """What each rule of early stopping keeps, from trainings of patience 50."""
    record = read("mmoe-patience-50")
    rules: dict[str, Callable[[Run], int]] = {
        "**8 epochs, mean AUC**": lambda run: kept(run, 8),
        "3 epochs, mean AUC": lambda run: kept(run, 3),
        "50 epochs, mean AUC, the code": lambda run: kept(run, 50),
        "50 epochs, AUC of the first task": lambda run: kept(run, 50, tasks=1),
    }
    every = {title: scores_of(record, rule) for title, rule in rules.items()}
    base = next(iter(every.values()))
    return markdown(["patience", *HEAD[1:]], [row(t, s, base) for t, s in every.items()])


def kept(run: Run, patience: int, tasks: int | None = None) -> int:
    """The number of the epoch, from 0, whose weights a rule keeps.

    The best mean AUC of the first ``tasks`` tasks, None: of all, before there was no better one for
    ``patience`` epochs.
    """
    best = 0
    means = [fmean(list(epoch.values())[:tasks]) for epoch in run["auc"]]
    for number, mean in enumerate(means):
        if mean > means[best]:
            best = number
        if number - best >= patience:
            break
    return best


def chosen(run: Run) -> int:
    """The number of the epoch, from 0, that the training chose."""
    return int(run["best_epoch"] - run["first_epoch"])


def scores_of(record: Any, rule: Callable[[Run], int] = chosen) -> Scores:
    """The AUC of each task in the epoch that ``rule`` names, by seed."""
    return {run["seed"]: [run["auc"][rule(run)][task] for task in TASKS] for run in record["runs"]}


def differences(scores: Scores, base: Scores) -> dict[int, float]:
    """Mean AUC above that of ``base``, by seed that both have."""
    both = sorted(scores.keys() & base.keys())
    return {seed: fmean(scores[seed]) - fmean(base[seed]) for seed in both}


def row(title: str, scores: Scores, base: Scores) -> list[str]:
    """A way, its AUCs, and its difference from ``base``, paired by seed."""
    if not scores:
        return [title, *[NOT_RUN] * (len(TASKS) + 2)]
    columns = [*zip(*scores.values(), strict=True), [fmean(each) for each in scores.values()]]
    gaps = [] if scores is base else list(differences(scores, base).values())
    gap = spread(gaps, "+.5f") if gaps else ""
    return [title, *(spread(each, ".5f") for each in columns), gap]


def spread(values: Sequence[float], digits: str) -> str:
    """Mean and standard deviation of the values of all seeds; only the value of a single one."""
    mean = f"{fmean(values):{digits}}"
    return f"{mean} ± {stdev(values):.5f}" if len(values) > 1 else mean


def read(name: str) -> Any:
    """The record of a trial; without runs if it hasn't run."""
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"runs": []}


def tables() -> dict[str, str]:
    """All tables of the page, by marker."""
    groups = {marker: comparison(trials) for marker, trials in GROUPS.items()}
    return {"widths": widths(), "stopping": stopping(), **groups}


def page(text: str) -> str:
    """The page with the current tables between its markers."""
    for name, table in tables().items():
        text = between(text, name, table)
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
