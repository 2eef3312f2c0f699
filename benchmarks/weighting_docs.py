"""Write the tables of docs/weighting.md from the files of `benchmarks/weightings.py`.

python -m benchmarks.weighting_docs
"""

import json
from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t as student

from benchmarks.results import between, markdown
from benchmarks.weightings import COST, DATA, EQUAL, OUT
from emm.metrics.significance import holm
from emm.training.weighting import WEIGHTINGS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/weighting.md"
LEVEL = 0.05

Scores = dict[str, float]
"""Mean validation AUC over the tasks, by seed."""


def main() -> None:
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def page(text: str, results: Path = OUT) -> str:
    """The page with the current tables between its markers."""
    for name, table in {"cost": cost(results), "comparison": comparison(results)}.items():
        text = between(text, name, table)
    return text


def cost(results: Path) -> str:
    """Processor time of a step, next to that of equal weights."""
    if not (results / COST).exists():
        return "Not measured yet."
    found = json.loads((results / COST).read_text(encoding="utf-8"))["rules"]
    rows = [["rule", "ms a step", "times equal weights"]]
    for rule in sorted(found, key=lambda each: float(found[each]["ratio"])):
        rows.append([f"`{rule}`", f"{found[rule]['ms']:.2f}", f"{found[rule]['ratio']:.2f}"])
    return markdown(rows[0], rows[1:])


def comparison(results: Path) -> str:
    """What each rule gains over equal weights, by dataset, and which gains are beyond noise."""
    files = {name: results / f"{name}.json" for name in DATA}
    read = {
        name: {rule: scores_of(runs) for rule, runs in json.loads(file.read_text())["runs"].items()}
        for name, file in files.items()
        if file.exists()
    }
    if not read:
        return "Not measured yet."
    adjusted = {name: p_values(found) for name, found in read.items()}
    rows = [["rule", *read]]
    for rule in WEIGHTINGS:
        cells = [cell(rule, found, adjusted[name]) for name, found in read.items()]
        rows.append([f"`{rule}`", *cells])
    return f"{markdown(rows[0], rows[1:])}\n\n{verdict(read, adjusted)}"


def scores_of(runs: Mapping[str, Any]) -> Scores:
    """The mean AUC over the tasks of each seed's best epoch."""
    return {seed: fmean(run["auc"].values()) for seed, run in runs.items()}


def gains(rule: str, found: Mapping[str, Scores]) -> list[float]:
    """The rule's mean AUC minus that of equal weights, by seed that both have."""
    own, equal = found.get(rule, {}), found.get(EQUAL, {})
    return [own[seed] - equal[seed] for seed in sorted(own.keys() & equal.keys())]


def p_values(found: Mapping[str, Scores]) -> dict[str, float]:
    """P values of paired t tests over the seeds, adjusted by Holm over the rules."""
    every = {rule: gains(rule, found) for rule in found if rule != EQUAL}
    tested = {rule: own for rule, own in every.items() if len(own) > 1}
    each = [paired_t(own) for own in tested.values()]
    return dict(zip(tested, holm(each), strict=True))


def paired_t(differences: list[float]) -> float:
    """The two-sided p value of the hypothesis that the mean of two or more differences is 0."""
    mean, spread = fmean(differences), stdev(differences)
    if spread == 0:
        return float(mean == 0)
    count = len(differences)
    return float(2 * student.sf(abs(mean) * sqrt(count) / spread, count - 1))


def cell(rule: str, found: Mapping[str, Scores], adjusted: Mapping[str, float]) -> str:
    """The AUC of equal weights; the gain of another rule, its deviation over seeds, and a star if
    it is beyond noise."""
    if rule not in found:
        return "-"
    if rule == EQUAL:
        return f"{fmean(found[EQUAL].values()):.5f}"
    own = gains(rule, found)
    if not own:
        return "-"
    spread = f" ± {stdev(own):.5f}" if len(own) > 1 else ""
    return f"{fmean(own):+.5f}{spread}{' *' if adjusted.get(rule, 1) <= LEVEL else ''}"


def verdict(read: Mapping[str, Mapping[str, Scores]], adjusted: Mapping[str, Any]) -> str:
    """Which rules are beyond noise on each dataset, and how many are within it."""
    parts = []
    for name, found in read.items():
        beyond = [rule for rule, p in adjusted[name].items() if p <= LEVEL]
        better = [f"`{rule}`" for rule in beyond if fmean(gains(rule, found)) > 0]
        worse = [f"`{rule}`" for rule in beyond if fmean(gains(rule, found)) < 0]
        within = len(adjusted[name]) - len(beyond)
        parts.append(
            f"{name}: {within} of {len(adjusted[name])} rules are within noise of equal weights; "
            f"better: {', '.join(better) or 'none'}; worse: {', '.join(worse) or 'none'}."
        )
    return "\n".join(f"- {part}" for part in parts)


if __name__ == "__main__":
    main()
