"""Check processed data: stop before a model is trained on a leak, and say what was seen."""

from pathlib import Path
from typing import Any

from emm.core.errors import DataError
from emm.core.progress import say
from emm.data.datasets.split_rules import Split
from emm.data.prepare.checks import duplicates, labels, rates, summary
from emm.data.prepare.checks.column_aucs import column_aucs, leaks
from emm.data.prepare.checks.determined import columns_together, determined
from emm.data.prepare.checks.keys import not_disjoint, shared_keys
from emm.data.prepare.checks.table import open_split
from emm.data.prepare.checks.values import invalid_values
from emm.data.prepare.settings import CheckSettings
from emm.data.tables.schema import SPLITS, Schema


def check(folder: Path, schema: Schema, limits: CheckSettings, split: Split) -> dict[str, Any]:
    """Check processed data, print what was seen, and return the observations.

    ``split``: the rule that made the splits. The observations contain no setting of ``limits``, so
    changing one doesn't cause later stages to run again. Raises one DataError that lists all
    faults.
    """
    splits = {name: open_split(folder, name, schema) for name in SPLITS}
    found = {name: labels.count_labels(rows, schema) for name, rows in splits.items()}
    aucs = column_aucs(splits["train"], schema)
    repeated = {
        name: duplicates.count_repeated(splits["train"], splits[name], schema)
        for name in ("validation", "test")
    }
    shared = shared_keys(splits, schema.key, schema) if schema.key is not None else None
    for line in summary.lines(schema, found, repeated, shared):
        say(line)
    faults = [
        *leaks(aucs, limits.max_column_auc),
        *not_disjoint(splits, split, schema),
        *invalid_values(splits, schema),
        *labels.lacking(found, schema),
        *duplicates.repeated_rows(repeated, limits.max_shared_rows),
        *rates.drifts(
            rates.differences(splits, found, schema),
            limits.max_rate_difference,
            limits.rate_significance,
        ),
    ]
    if faults:
        raise DataError(
            f"{schema.dataset} fails its checks:\n" + "\n".join(f"  - {f}" for f in faults),
            where=folder,
            next_step="correct the data, or the limits of check-data in the dataset's data.yaml",
        )
    warnings = [
        *duplicates.warnings(repeated),
        *labels.few(found["test"], schema),
        *determined(columns_together(splits["train"], schema, aucs)),
    ]
    for warning in warnings:
        say(f"warning: {warning}")
    return summary.observations(schema, found, aucs, repeated, shared, warnings)
