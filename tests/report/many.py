"""Tables of a small study of many tables, made of the numbers that a test gives."""

from collections.abc import Mapping, Sequence
from math import inf

from emm.metrics.procedures import Estimate
from emm.report.facts import DatasetFacts
from emm.report.study_differences import Difference
from emm.report.study_files import StoredTable
from emm.report.study_results import StudyResults, StudyTable
from emm.report.study_settings import StudySettings, StudyTableSettings
from emm.report.summary import Summary, Totals
from emm.report.task_summaries import TaskSummary

Scores = Mapping[str, Sequence[float]]
"""AUC by task of each model, the last of which is the reference."""


def table(name: str, scores: Scores, error: float = 0.001) -> StudyTable:
    """A table of these AUCs; every difference has the standard error ``error``."""
    models = tuple(scores)
    tasks = tuple(f"task-{at}" for at in range(len(scores[models[0]])))
    settings = StudyTableSettings(name.title(), name, "default", models, models[-1])
    results = {
        model: StudyResults(
            Summary(
                {
                    t: TaskSummary(auc, 0.001, None, 0.3, 0.01)
                    for t, auc in zip(tasks, of, strict=True)
                },
                Totals(sum(of) / len(of), 1000, 500, 3, 2),
            ),
            dict(zip(tasks, of, strict=True)),
            2.0,
            {
                t: Difference(Estimate(auc - best, error, 0.0, inf))
                for t, auc, best in zip(tasks, of, scores[models[-1]], strict=True)
                if model != models[-1]
            },
        )
        for model, of in scores.items()
    }
    return StudyTable(settings, tasks, results)


def stored(of: StudyTable) -> StoredTable:
    """What the file of a table holds."""
    rates = dict.fromkeys(("train", "validation", "test"), dict.fromkeys(of.tasks, 0.2))
    facts = DatasetFacts(
        name=of.settings.dataset,
        title=of.settings.title,
        tasks=of.tasks,
        rows={"train": 1000, "validation": 200, "test": 300},
        positive_rates=rates,
        source=f"the publisher of {of.settings.dataset}",
        licence="CC0",
    )
    return StoredTable(of, facts, {}, ())


def study(tables: Mapping[str, StudyTable]) -> StudySettings:
    return StudySettings({name: each.settings for name, each in tables.items()})
