"""Markdown tables about a dataset: its splits and labels, and its inferred columns."""

from collections.abc import Mapping

from emm.report.facts import DatasetFacts
from emm.report.markdown import code, markdown_table

SEEN_SPLITS = ("test", "validation")
LISTED_CLASSES = 8  # more classes are summed up
LONGEST_EXAMPLE = 40


def split_table(facts: DatasetFacts) -> str:
    """Return the table of splits: rows, labelled rows if labels are missing, and labels.

    Those are the positives of a binary task, the sizes of classes, or a regression task's mean.
    """
    columns = [("split", list(facts.rows)), ("rows", [f"{rows:,}" for rows in facts.rows.values()])]
    for task in facts.tasks:
        if facts.partly_labelled:
            labelled = [f"{facts.labelled_rows(split, task):,}" for split in facts.rows]
            columns.append((f"{task} labelled", labelled))
        cells = [label_text(facts, split, task) for split in facts.rows]
        columns.append((f"{task} {_title(facts, task)}", cells))
    header = [title for title, _ in columns]
    return markdown_table(header, list(zip(*(cells for _, cells in columns), strict=True)))


def label_text(facts: DatasetFacts, split: str, task: str) -> str:
    """Say what the labels of a task are in a split: "120 (6.21 %)", "`a` 30 (20.00 %), ..."."""
    if task in facts.targets:
        return f"{facts.means[split][task]:.5g}"
    sizes, rows = facts.class_sizes(split, task), facts.labelled_rows(split, task)
    if task in facts.binary:
        return _share(sizes["positives"], rows)
    if len(sizes) > LISTED_CLASSES:
        return f"{len(sizes)} classes of {min(sizes.values()):,} to {max(sizes.values()):,} rows"
    return ", ".join(f"{code(name)} {_share(size, rows)}" for name, size in sizes.items())


def seen_sentence(facts: DatasetFacts) -> str:
    """Say how many rows of test and validation have the features of a row of train; "" if none."""
    counts = {split: facts.seen_rows(split) for split in SEEN_SPLITS}
    return seen_counts_sentence(counts, facts.rows)


def seen_counts_sentence(counts: Mapping[str, int], rows: Mapping[str, int]) -> str:
    """The same of ``counts`` by split, out of ``rows``."""
    found = {split: counts[split] for split in SEEN_SPLITS if counts.get(split)}
    parts = [
        f"{count:,} of {rows[split]:,} {split} rows ({_percent(count, rows[split])})"
        for split, count in found.items()
    ]
    if not parts:
        return ""
    have = "has" if sum(found.values()) == 1 else "have"
    return f"{' and '.join(parts)} {have} the features of a row of train."


def inferred_table(facts: DatasetFacts) -> str:
    """Return the table of the columns whose kind was inferred; "" if none was."""
    if not facts.inferred:
        return ""
    rows = [
        [
            code(each.name),
            each.taken_as,
            f"{each.distinct:,}",
            f"{each.missing:,}",
            code(_short(str(each.example))),
        ]
        for each in facts.inferred
    ]
    return markdown_table(["column", "taken as", "distinct values", "missing", "example"], rows)


def _share(count: int, rows: int) -> str:
    return f"{count:,} ({100 * count / rows:.2f} %)" if rows else f"{count:,}"


def _percent(count: int, rows: int) -> str:
    """A share with one decimal, but never 0.0 %."""
    share = 100 * count / rows
    return "less than 0.1 %" if share < 0.1 else f"{share:.1f} %"


def _short(example: str) -> str:
    return example if len(example) <= LONGEST_EXAMPLE else example[: LONGEST_EXAMPLE - 1] + "…"


def _title(facts: DatasetFacts, task: str) -> str:
    if task in facts.targets:
        return "mean"
    return "positive" if task in facts.binary else "classes"
