"""The steps of stacked models: which were tried, what each gained, and which were taken."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from emm.report.markdown import markdown_table
from emm.report.names import display_name
from emm.report.results import ModelResults, read_json

FILE = "stacking.json"
AVERAGE = "average"


@dataclass(frozen=True)
class Step:
    """A step in cross-validation; for the fields see `emm.fusion.stacking.ladder.StepRecord`."""

    step: str
    loss: float
    gain: float
    error: float
    taken: bool
    setting: float | None = None


@dataclass(frozen=True)
class StackingRun:
    """The steps of one seed by task; none where there were too few labelled rows."""

    seed: int
    steps: Mapping[str, tuple[Step, ...]]

    def step(self, task: str, name: str) -> Step | None:
        """The step with this name, if it was tried."""
        return next((each for each in self.steps[task] if each.step == name), None)


@dataclass(frozen=True)
class Stacking:
    """Content of a stacked model's stacking.json."""

    format: int
    runs: tuple[StackingRun, ...]


def read_stacking(results: Sequence[ModelResults]) -> dict[str, Stacking]:
    """The steps by model, of stacked ones. Raises DataError for an unusable file."""
    return {
        each.name: read_json(each.folder / FILE, Stacking)
        for each in results
        if (each.folder / FILE).exists()
    }


def stacking_table(stacked: Mapping[str, Stacking]) -> str:
    """A row for every step that was tried after the average; "" without a stacked model."""
    rows = [
        row
        for name, found in stacked.items()
        for task in found.runs[0].steps
        for row in _rows(name, task, found.runs)
    ]
    header = ["model", "task", "step", "fall of the loss", "standard error", "taken"]
    return markdown_table(header, rows) if rows else ""


def stacking_sentences(stacked: Mapping[str, Stacking]) -> list[str]:
    """Where a stacked model is the plain average of its members for every seed."""
    return [
        f"{display_name(name)} is the average of the pool's members for {task}: no step beyond it "
        "gained more than its standard error."
        for name, found in stacked.items()
        for task in found.runs[0].steps
        if not any(_taken(run.steps[task]) for run in found.runs)
    ]


def _taken(steps: Sequence[Step]) -> bool:
    return any(step.taken for step in steps if step.step != AVERAGE)


def _rows(name: str, task: str, runs: Sequence[StackingRun]) -> Iterator[list[str]]:
    tried = dict.fromkeys(each.step for run in runs for each in run.steps[task])
    for step in tried:
        if step == AVERAGE:
            continue
        found = [each for run in runs if (each := run.step(task, step)) is not None]
        taken = sum(each.taken for each in found)
        yield [
            display_name(name),
            task,
            step,
            f"{fmean(each.gain for each in found):+.6f}",
            f"{fmean(each.error for each in found):.6f}",
            f"{taken} of {len(runs)}" if len(runs) > 1 else ("yes" if taken else "no"),
        ]
