"""Markdown tables of the page about many tables."""

from collections.abc import Mapping

from emm.report.many_findings import Truth, counts, share
from emm.report.many_ranks import Outcome, Ranking, Tables, verdict
from emm.report.markdown import NOTHING, markdown_table
from emm.report.names import display_name
from emm.report.study_results import StudyTable
from emm.report.study_tables import p_text
from emm.report.tables import decimals, interval_columns, new_rows_columns, signed


def rank_table(ranking: Ranking, tables: Tables) -> str:
    """Ranks by table, the best mean first; p values against the reference."""
    ordered = sorted(ranking.models, key=lambda model: ranking.means[model])
    columns = {
        "model": [display_name(model) for model in ordered],
        "mean rank": [f"{ranking.means[model]:.2f}" for model in ordered],
    }
    if ranking.tests:
        against = ranking.tests.against
        columns["p, Holm"] = [
            p_text(against[model]) if model in against else NOTHING for model in ordered
        ]
    for name, of_table in ranking.by_table.items():
        columns[tables[name].settings.title] = [f"{of_table[model]:.1f}" for model in ordered]
    return _table(columns)


def outcome_table(found: Mapping[str, list[Outcome]]) -> str:
    columns: dict[str, list[str]] = {name: [] for name in _OUTCOME_COLUMNS}
    for model, of_model in found.items():
        certain = [each.verdict for each in of_model if each.certain]
        values = [display_name(model), *map(str, counts(of_model))]
        values += [str(certain.count("win")), str(certain.count("loss"))]
        for name, value in zip(_OUTCOME_COLUMNS, values, strict=True):
            columns[name].append(value)
    return _table(columns)


_OUTCOME_COLUMNS = ("against", "wins", "ties", "losses", "wins, Holm", "losses, Holm")


def truth_table(tables: Tables, truth: Truth) -> str:
    """The AUC of the true probabilities, and the share of it above 0.5 that each model reaches."""
    pairs = [(n, t, auc) for n, of in truth.items() if n in tables for t, auc in of.items()]
    if not pairs:
        return ""
    models = list(tables[pairs[0][0]].results)
    columns = {"model": ["true probabilities", *map(display_name, models)]}
    for name, task, auc in pairs:
        table = tables[name]
        shares = [
            f"{share(table, task, model, auc):.1%}" if model in table.results else NOTHING
            for model in models
        ]
        columns[f"{table.settings.title}: {task}"] = [decimals(auc), *shares]
    return _table(columns)


def scores_of_task(table: StudyTable, task: str) -> str:
    """Scores of one task, differences from the reference, and the reference's verdict on them."""
    results, names = list(table.results.values()), list(table.results)
    found = [each.summary.tasks[task] for each in results]
    differences = [each.differences.get(task) for each in results]
    reference = display_name(table.settings.reference)
    columns = {
        "model": [table.remarks.label(name) for name in names],
        f"test {found[0].measure}": [_mean(each.score) for each in found],
        **dict(interval_columns(table.remarks, task, names)),
        **dict(new_rows_columns(table.summaries, task)),
        f"less {reference}": [signed(each.auc if each else None) for each in differences],
        "95 % of the difference": [
            "[" + ", ".join(map(signed, each.estimate.interval)) + "]" if each else NOTHING
            for each in differences
        ],
        "p": [p_text(each.estimate.p) if each else NOTHING for each in differences],
        f"for {reference}": [verdict(each) if each else NOTHING for each in differences],
        f"validation {found[0].measure}": [decimals(each.validation[task]) for each in results],
    }
    for name in found[0].errors:
        columns[name] = [decimals(each.errors[name]) for each in found]
    return _table(columns)


def _mean(score: tuple[float, float | None, float | None]) -> str:
    mean, deviation, _ = score
    return decimals(mean) if deviation is None else f"{decimals(mean)} ± {decimals(deviation)}"


def _table(columns: Mapping[str, list[str]]) -> str:
    return markdown_table(list(columns), list(zip(*columns.values(), strict=True)))
