"""What a reader has to know about the numbers of a table: how sure they are, and of what model."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emm.metrics.procedures import Interval
from emm.metrics.uncertainty import ScoredRows, auc_interval
from emm.report.names import display_name
from emm.report.results import ModelResults

AVERAGE, START = "plain average", "as it started"
Intervals = Mapping[str, Interval | None]


@dataclass(frozen=True)
class Remarks:
    """Remarks on a table's AUCs and models.

    Args:
        intervals: of the AUCs, by model and score (a task, or a step of the funnel).
        few: for each score with few test rows of a class, how many there are, such as
            "12 positives".
        starts: for each fused model that training didn't improve, what it is instead.
    """

    intervals: Mapping[str, Intervals] = field(default_factory=dict)
    few: Mapping[str, str] = field(default_factory=dict)
    starts: Mapping[str, str] = field(default_factory=dict)

    def label(self, model: str) -> str:
        """A model's name in the first column of a table."""
        start = self.starts.get(model)
        return display_name(model) + (f" ({start})" if start else "")

    def intervals_of(self, score: str, models: Sequence[str]) -> list[Interval | None]:
        """The interval of each model; [] if none has one."""
        found = [self.intervals.get(model, {}).get(score) for model in models]
        return found if any(found) else []


def intervals_of(
    rows: Mapping[str, ScoredRows], scores: Collection[str]
) -> dict[str, Interval | None]:
    """The interval of the AUC of each of ``scores``."""
    return {name: auc_interval(each) for name, each in rows.items() if name in scores}


def starts_of(results: Sequence[ModelResults], averages: Collection[str]) -> dict[str, str]:
    """Which fused models kept epoch 0, their start, though they were trained.

    ``averages``: the models that start as the plain average of their trained models.
    """
    found = {}
    for each in results:
        trained = [run for run in each.runs if run.epochs[0].epoch == 0 and len(run.epochs) > 1]
        kept = sum(run.best_epoch == 0 for run in trained)
        if kept:
            start = AVERAGE if each.name in averages else START
            share = "" if kept == len(each.runs) else f" in {kept} of {len(each.runs)} seeds"
            found[each.name] = start + share
    return found


def starts_as_average(section: Mapping[str, Any] | None) -> bool:
    """Whether a fused model with this section of a recipe starts as the plain average."""
    own = section or {}
    aligned = own.get("variant") == "aligned"
    kept = all(own.get(key, True) for key in ("own_paths", "zero_merge", "uniform_gates"))
    return aligned and kept and "fresh" not in (own.get("start") or {}).values()


def is_mean(section: Mapping[str, Any] | None) -> bool:
    """Whether a fused model with this section is the plain average of the whole pool."""
    own = section or {}
    return own.get("variant") == "ensemble" and not own.get("members")
