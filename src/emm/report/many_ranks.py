"""The models' ranks over many tables, and wins, ties and losses of the reference against each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from emm.metrics.ranks import (
    FEWEST_BLOCKS,
    FEWEST_MODELS,
    Friedman,
    against_control,
    critical_difference,
    friedman,
    mean_ranks,
    ranks,
)
from emm.metrics.significance import holm
from emm.report.study_differences import SIGNIFICANCE, Difference
from emm.report.study_results import StudyTable

Tables = Mapping[str, StudyTable]


@dataclass(frozen=True)
class Tests:
    """Tests of the mean ranks over blocks.

    Args:
        critical: Nemenyi's critical difference of two mean ranks.
        against: p values against the reference after Holm's correction, by model.
    """

    friedman: Friedman
    critical: float
    against: Mapping[str, float]


@dataclass(frozen=True)
class Ranking:
    """Ranks of the models, 1 for the best.

    Args:
        by_table: mean rank over the tasks, by table and model.
        blocks: the tables by the rows that they are of. Tables of the same rows are one block,
            because they aren't independent.
        means: mean over blocks of the rank within the block, by model.
        tests: None with fewer than two blocks or three models.
    """

    models: tuple[str, ...]
    by_table: Mapping[str, Mapping[str, float]]
    blocks: Mapping[str, tuple[str, ...]]
    means: Mapping[str, float]
    tests: Tests | None


@dataclass(frozen=True)
class Outcome:
    """A comparison of the reference with another model on one task of a table.

    Args:
        difference: of the other model's AUC less the reference's.
        adjusted: its p value after Holm's correction over all comparisons of the page.
    """

    table: str
    task: str
    difference: Difference
    adjusted: float

    @property
    def verdict(self) -> str:
        """ "win", "tie" or "loss" of the reference: a tie if the interval has 0."""
        return verdict(self.difference)

    @property
    def certain(self) -> bool:
        """Whether it is a win or loss after the correction, too."""
        return self.adjusted < SIGNIFICANCE


def verdict(difference: Difference) -> str:
    """Of the reference against a model: "win", "tie" or "loss"."""
    low, high = difference.estimate.interval
    return "win" if high < 0 else "loss" if low > 0 else "tie"


def models_of(tables: Tables) -> tuple[str, ...]:
    """The models that all tables have, in the order of the first."""
    found = [table.results.keys() for table in tables.values()]
    return tuple(name for name in found[0] if all(name in each for each in found)) if found else ()


def rank_tables(tables: Tables, sources: Mapping[str, str], reference: str) -> Ranking:
    """Rank the models of ``tables``; ``sources``: whose rows a table has, by table.

    Within a table, a model's rank is the mean of its ranks over the tasks by the mean test score
    over seeds; within a block, it is that of its mean over the block's tables.
    """
    models = models_of(tables)
    by_table = {name: _table_ranks(table, models) for name, table in tables.items()}
    blocks = dict[str, tuple[str, ...]]()
    for name in tables:
        blocks[sources[name]] = (*blocks.get(sources[name], ()), name)
    of_blocks = [_block_ranks([by_table[name] for name in names]) for names in blocks.values()]
    means = mean_ranks(of_blocks) if of_blocks else []
    enough = len(blocks) >= FEWEST_BLOCKS and len(models) >= FEWEST_MODELS
    tests = _tests(of_blocks, models, reference) if enough else None
    return Ranking(models, by_table, blocks, dict(zip(models, means, strict=True)), tests)


def outcomes(tables: Tables, models: Sequence[str]) -> dict[str, list[Outcome]]:
    """All comparisons of the reference with each other model, on tasks that are scored by AUC."""
    found = [
        (model, name, task, difference)
        for model in models
        for name, table in tables.items()
        for task, difference in table.results[model].differences.items()
    ]
    adjusted = holm([difference.estimate.p for _, _, _, difference in found])
    by_model = dict[str, list[Outcome]]()
    for (model, name, task, difference), p in zip(found, adjusted, strict=True):
        by_model.setdefault(model, []).append(Outcome(name, task, difference, p))
    return by_model


def _table_ranks(table: StudyTable, models: Sequence[str]) -> dict[str, float]:
    of_tasks = [
        ranks([table.results[model].summary.tasks[task].score[0] for model in models])
        for task in table.tasks
    ]
    return dict(zip(models, mean_ranks(of_tasks), strict=True))


def _block_ranks(tables: Sequence[Mapping[str, float]]) -> list[float]:
    """Ranks of the models by their mean ranks over ``tables``."""
    return ranks([-fmean(table[model] for table in tables) for model in tables[0]])


def _tests(blocks: Sequence[Sequence[float]], models: Sequence[str], reference: str) -> Tests:
    against = against_control(blocks, models.index(reference))
    return Tests(
        friedman(blocks),
        critical_difference(len(blocks), len(models), SIGNIFICANCE),
        {name: p for name, p in zip(models, against, strict=True) if name != reference},
    )
