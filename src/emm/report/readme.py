"""The results in the README, read from metrics files only: no data, no predictions."""

from collections.abc import Sequence
from pathlib import Path

from emm.core.errors import DataError
from emm.report.summary import read_metrics
from emm.report.tables import measures, new_rows_title, score_table, seeds_phrase

START = "<!-- results:start -->"
END = "<!-- results:end -->"


def results_table(
    metrics: Path, dataset: str, recipe: str, models: Sequence[str], trained: Sequence[str]
) -> str:
    """Return one dataset's table of scores, read from ``metrics``/<dataset>/<recipe>/<model>.json.

    Raises DataError if a file is missing or unusable.
    """
    summaries = read_metrics(metrics / dataset / recipe, models)
    table = score_table(dataset, summaries, trained, published=False)
    title = new_rows_title(summaries)
    new = f" {title}: over the test rows whose features no row of train has." if title else ""
    return (
        f"`{dataset}`, recipe `{recipe}`: {measures(summaries)} on the test split, "
        f"{seeds_phrase(summaries)}; "
        f"best in bold, second underlined ([report](reports/{dataset}.md)).{new}\n\n{table}"
    )


def readme_block(tables: Sequence[str]) -> str:
    """Return the README's block of results: the tables between the two markers."""
    return "\n\n".join([START, *tables, END])


def block_of(readme: str) -> str:
    """Return the block of results in ``readme``, with its markers; "" if there is none."""
    start, end = readme.find(START), readme.find(END)
    return readme[start : end + len(END)] if -1 < start < end else ""


def replace_block(readme: str, block: str) -> str:
    """Return ``readme`` with its block of results replaced by ``block``.

    Raises DataError unless each marker occurs once and in order.
    """
    start, end = readme.find(START), readme.find(END)
    if (readme.count(START), readme.count(END)) != (1, 1) or end < start:
        raise DataError(
            "the README has no place for the results",
            got=f"{readme.count(START)} x {START}, {readme.count(END)} x {END}",
            expected="each once, in this order",
            next_step="put each marker on a line of its own where the tables belong",
        )
    return readme[:start] + block + readme[end + len(END) :]
