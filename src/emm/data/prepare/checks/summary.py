"""What the checks saw: as values for a file, and as a table for the log."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emm.data.prepare.checks.column_aucs import highest
from emm.data.prepare.checks.duplicates import Repeated
from emm.data.prepare.checks.keys import Shared
from emm.data.prepare.checks.labels import Found, class_names
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
        "keys": shared.keys if shared else {},
        "shared_keys": {", ".join(pair): count for pair, count in shared.both.items()}
        if shared
        else {},
        "column_auc": {task: highest(found) for task, found in aucs.items()},
        "warnings": list(warnings),
    }


def _by_kind(schema: Schema, labels: Found) -> dict[str, Any]:
    tasks: dict[str, list[str]] = {kind: [] for kind in (BINARY, REGRESSION, CLASSES)}
    for task in schema.tasks:
        tasks[schema.kind(task)].append(task)
    values: dict[str, dict[str, dict[str, Any]]] = {
        "positives": {s: {t: labels[s][t].counts[1] for t in tasks[BINARY]} for s in SPLITS},
        # Rounded, because parallel sums differ in their last bits between runs.
        "mean": {s: {t: round(labels[s][t].mean, 6) for t in tasks[REGRESSION]} for s in SPLITS},
        "classes": {
            s: {
                t: dict(zip(schema.classes[t], labels[s][t].counts, strict=True))
                for t in tasks[CLASSES]
            }
            for s in SPLITS
        },
    }
    used = {"positives": BINARY, "mean": REGRESSION, "classes": CLASSES}
    return {name: value for name, value in values.items() if tasks[used[name]]}


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
    for (first, second), count in shared.both.items():
        keys = shared.keys[second]
        if first == "train" and keys:
            yield (
                f"{second}: {count:,} of {keys:,} values of {original_name(schema.key)!r} "
                f"({count / keys:.1%}) are in train, too"
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
