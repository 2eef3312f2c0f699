"""What the test rows show besides the scores: curves, AUCs of new rows, and how sure AUCs are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from emm.metrics.funnels import is_given_click
from emm.report.curves import Curves, curves_of
from emm.report.facts import DatasetFacts, few_of_steps, few_of_tasks
from emm.report.new_rows import aucs_of_new_rows
from emm.report.predictions import read_each, rows_by_step, rows_by_task
from emm.report.remarks import Remarks, intervals_of
from emm.report.results import ModelResults


@dataclass(frozen=True)
class Evidence:
    """Curves by model, and remarks on the scores of the tasks and of the funnel's steps.

    ``new_rows``: by model, see `aucs_of_new_rows`; ``weighted``: whether the rows are weighted in
    the metrics; ``given_click``: whether the funnel's conversion is known after a click only.
    """

    curves: Mapping[str, Curves] = field(default_factory=dict)
    tasks: Remarks = field(default_factory=Remarks)
    funnel: Remarks = field(default_factory=Remarks)
    weighted: bool = False
    given_click: bool = False
    new_rows: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)


def read_evidence(
    results: Sequence[ModelResults], facts: DatasetFacts, starts: Mapping[str, str]
) -> Evidence:
    """Read the predictions of one model after another.

    ``starts``: see `Remarks`. Raises DataError if predictions are unusable or models were evaluated
    on different rows.
    """
    curves, tasks, funnel, new_rows, weighted, given_click = {}, {}, {}, {}, False, False
    for each, predictions in read_each(results, facts):
        rows, steps = rows_by_task(predictions, facts), rows_by_step(predictions, facts)
        curves[each.name] = curves_of(rows, facts)
        tasks[each.name] = intervals_of(rows, facts.by_auc)
        funnel[each.name] = intervals_of(steps, steps)
        new_rows[each.name] = aucs_of_new_rows(predictions, facts)
        weighted = predictions.weights is not None
        given_click = bool(steps) and is_given_click(predictions.labels[:, list(facts.steps)])
    return Evidence(
        curves,
        Remarks(tasks, few_of_tasks(facts), starts),
        Remarks(funnel, few_of_steps(facts), starts),
        weighted,
        given_click,
        new_rows,
    )
