"""What the checks saw: as values for a file, and as a table for the log."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from emm.data.prepare.checks.column_aucs import highest
from emm.data.prepare.checks.duplicates import Repeated
from emm.data.prepare.checks.keys import Shared
from emm.data.prepare.checks.labels import Found, Labels, class_names
from emm.data.tables.names import original_name
from emm.data.tables.schema import BINARY, CLASSES, REGRESSION, SPLITS, Schema

_HEADER = ("task", "split", "rows", "labelled", "positive or per class", "rate or mean")


def observations(
    schema: Schema,
    labels: Found,
    aucs: Mapping[str, Mapping[str, float]],
    repeated: Mapping[str, Repeated],
    shared: Shared | None,
    warnings: Sequence[str],
) -> dict[str, Any]:
    """All that was seen as plain values; none depends on a setting."""
    return {
        "rows": {name: schema.splits[name].rows for name in SPLITS},
        "labelled": {s: {task: labels[s][task].labelled for task in schema.tasks} for s in SPLITS},
        **_by_kind(schema, labels),
        "repeated_rows": {name: found.same for name, found in repeated.items()},
        "repeated_features": {name: found.alike for name, found in repeated.items()},
        "shared_keys": {", ".join(pair): count for pair, count in shared.both.items()}
        if shared
        else {},
        "rows_of_shared_keys": shared.rows if shared else {},
        "column_auc": {task: highest(found) for task, found in aucs.items()},
        "warnings": list(warnings),
    }


def _by_kind(schema: Schema, labels: Found) -> dict[str, Any]:
    """Positives, means and classes by split and task, of the kinds of tasks that there are."""

    def of(kind: str, value: Callable[[str, Labels], Any]) -> dict[str, dict[str, Any]]:
        tasks = [task for task in schema.tasks if schema.kind(task) == kind]
        return {s: {t: value(t, labels[s][t]) for t in tasks} for s in SPLITS} if tasks else {}

    found = {
        "positives": of(BINARY, lambda _, own: own.counts[1]),
        # Rounded, because parallel sums differ in their last bits between runs; never -0.
        "mean": of(REGRESSION, lambda _, own: round(own.mean, 6) + 0.0),
        "classes": of(
            CLASSES, lambda t, own: dict(zip(schema.classes[t], own.counts, strict=True))
        ),
    }
    return {name: values for name, values in found.items() if values}


def lines(
    schema: Schema, labels: Found, repeated: Mapping[str, Repeated], shared: Shared | None
) -> Iterator[str]:
    """The table of labels, then lines about each split's repeated rows and shared keys."""
    yield from _aligned([_HEADER, *_cells(schema, labels)])
    for name, found in repeated.items():
        yield (
            f"{name}: {found.same:,} rows ({found.share:.1%}) have the features and labels of a "
            f"row of train, {found.alike:,} ({found.alike / found.rows:.1%}) its features"
        )
    if shared is None or schema.key is None:
        return
    for name, count in shared.rows.items():
        share = count / schema.splits[name].rows
        yield (
            f"{name}: {count:,} rows ({share:.1%}) have a value of {original_name(schema.key)!r} "
            "that is in train, too"
        )


def _cells(schema: Schema, labels: Found) -> Iterator[tuple[str, ...]]:
    for task in schema.tasks:
        for split in SPLITS:
            own = labels[split][task]
            row = (task, split, f"{schema.splits[split].rows:,}", f"{own.labelled:,}")
            kind = schema.kind(task)
            if kind == REGRESSION:
                yield (*row, "", f"{own.mean:+.4f}")
            elif kind == BINARY:
                yield (*row, f"{own.counts[1]:,}", f"{own.rates[1]:.3%}")
            else:
                named = zip(class_names(schema, task), own.counts, own.rates, strict=True)
                counts, rates = [], []
                for name, count, rate in named:
                    counts.append(f"{name}: {count:,}")
                    rates.append(f"{rate:.2%}")
                yield (*row, ", ".join(counts), ", ".join(rates))


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if number < 2 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
