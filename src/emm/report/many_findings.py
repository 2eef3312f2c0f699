"""Sentences about many tables, computed from their numbers."""

from collections.abc import Iterator, Mapping, Sequence

from emm.report.many_ranks import Outcome, Ranking, Tables, Tests, verdict
from emm.report.names import display_name, join_names
from emm.report.study_differences import SIGNIFICANCE
from emm.report.study_results import StudyTable
from emm.report.study_tables import p_text
from emm.report.tables import decimals, signed

AVERAGE = "ensemble"
"""The plain average of the pool."""

Truth = Mapping[str, Mapping[str, float]]
"""AUC of the true probabilities on test, by table and task."""


def rank_sentences(ranking: Ranking, reference: str) -> Iterator[str]:
    """What the ranks show about ``reference``."""
    name, of = display_name(reference), len(ranking.models)
    means = ranking.means
    lowest = min(means.values())
    best = [display_name(model) for model in means if means[model] == lowest]
    blocks = len(ranking.blocks)
    which = "1 table" if blocks == 1 else f"{blocks} tables with rows of their own"
    yield (
        f"Over {which}, {name} has the mean rank {means[reference]:.2f} among {of} models (1 is "
        f"best). The lowest mean rank, {lowest:.2f}, is that of {join_names(best)}."
    )
    if ranking.tests is None:
        yield "There are too few tables for a test of the ranks."
        return
    yield _friedman(ranking.tests)
    yield from _nemenyi(ranking, ranking.tests, reference)
    yield _against(ranking.tests, name)


def outcome_sentences(found: Mapping[str, Sequence[Outcome]], reference: str) -> Iterator[str]:
    """How ``reference`` does against all other models, and against its pool's average."""
    name, every = display_name(reference), [each for of in found.values() for each in of]
    wins, ties, losses = counts(every)
    certain = [each.verdict for each in every if each.certain]
    yield (
        f"{name} wins {wins}, ties {ties} and loses {losses} of {len(every)} comparisons with a "
        "model on a task: a tie has 0 in the 95 % interval of the difference. After Holm's "
        f"correction over all of them, {certain.count('win')} wins and {certain.count('loss')} "
        "losses remain."
    )
    if AVERAGE in found:
        yield from _average(found[AVERAGE], name)


def table_sentences(tables: Tables) -> Iterator[str]:
    """Which model has the highest mean score on each task, by table."""
    for table in tables.values():
        tasks = [_highest(table, task) for task in table.tasks]
        yield f"{table.settings.title}: {'; '.join(tasks)}."


def truth_sentences(tables: Tables, truth: Truth) -> Iterator[str]:
    """How close the reference comes to the true probabilities of generated tables."""
    for name, of_tasks in truth.items():
        if name in tables:
            table = tables[name]
            reference = table.settings.reference
            shares = [
                f"{share(table, task, reference, best):.1%} on {task}"
                for task, best in of_tasks.items()
            ]
            yield (
                f"{table.settings.title}: of the AUC above 0.5 that the true probabilities have on "
                f"the same test rows, {display_name(reference)} reaches {join_names(shares)}."
            )


def share(table: StudyTable, task: str, model: str, best: float) -> float:
    """Share of the AUC above 0.5 of the true probabilities, ``best``, that a model reaches."""
    auc, _, _ = table.results[model].summary.tasks[task].score
    return (auc - 0.5) / (best - 0.5)


def counts(found: Sequence[Outcome]) -> tuple[int, int, int]:
    """Wins, ties and losses of the reference."""
    verdicts = [each.verdict for each in found]
    return verdicts.count("win"), verdicts.count("tie"), verdicts.count("loss")


def _friedman(tests: Tests) -> str:
    test = tests.friedman
    shown = "the models differ" if test.p_of_f < SIGNIFICANCE else "no difference is shown"
    return (
        f"Friedman's test of all models: chi² = {test.chi2:.1f}, p = {p_text(test.p)}; Iman and "
        f"Davenport's correction: F = {test.f:.2f}, p = {p_text(test.p_of_f)}. So {shown}."
    )


def _nemenyi(ranking: Ranking, tests: Tests, reference: str) -> Iterator[str]:
    own = ranking.means[reference]
    others = {model: mean - own for model, mean in ranking.means.items() if model != reference}
    above = [display_name(m) for m, less in others.items() if less > tests.critical]
    below = [display_name(m) for m, less in others.items() if -less > tests.critical]
    rest = len(others) - len(above) - len(below)
    parts = [
        *([f"better than {join_names(above)}"] if above else []),
        *([f"worse than {join_names(below)}"] if below else []),
        *([f"not different from {_rest(rest, len(others))}"] if rest else []),
    ]
    yield (
        f"Nemenyi's test of all pairs has the critical difference {tests.critical:.2f}: by its "
        f"mean rank {display_name(reference)} is {join_names(parts)}."
    )


def _rest(count: int, others: int) -> str:
    if count == others:
        return "any other"
    return "the other one" if count == 1 else f"the other {count}"


def _against(tests: Tests, name: str) -> str:
    found = [
        f"{display_name(m)} ({p_text(p)})" for m, p in tests.against.items() if p < SIGNIFICANCE
    ]
    which = join_names(found) if found else "no model"
    return (
        f"Compared with {name} only, after Holm's correction, the mean rank of {which} differs "
        f"with p < {SIGNIFICANCE}."
    )


def _average(found: Sequence[Outcome], name: str) -> Iterator[str]:
    wins, ties, losses = counts(found)
    yield (
        f"Against the plain average of its own pool, {name} wins {wins}, ties {ties} and loses "
        f"{losses} of {len(found)}."
    )
    below = [
        f"{each.task} of {each.table} ({signed(-each.difference.auc)})"
        for each in found
        if each.difference.estimate.value > each.difference.estimate.error
    ]
    yield (
        f"{name} is below the average by more than the difference's standard error on "
        f"{join_names(below) if below else 'no task'}."
    )


def _highest(table: StudyTable, task: str) -> str:
    """Such as "income Ensemble (+0.00010, a tie for EMM)", or "income EMM (0.95650)"."""
    scores = {name: each.summary.tasks[task].score[0] for name, each in table.results.items()}
    best = max(scores, key=lambda name: scores[name])
    reference, own = table.settings.reference, scores[table.settings.reference]
    name = display_name(reference)
    if scores[best] == own:
        return f"{task} {name} ({decimals(own)})"
    difference = table.results[best].differences.get(task)
    what = f", a {verdict(difference)} for {name}" if difference else ""
    return f"{task} {display_name(best)} ({signed(scores[best] - own)}{what})"
