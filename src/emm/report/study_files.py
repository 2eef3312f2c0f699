"""A study's tables as files, results/<table>.json: what the page shows, and the page needs no more.

One table can be computed without the evaluations of the others.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, make_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from emm.config.binding import bind
from emm.core.files import write_json
from emm.metrics.procedures import Estimate
from emm.report.facts import DatasetFacts
from emm.report.new_rows import SPLITS
from emm.report.results import read_tree, refuse
from emm.report.study_results import StudyTable
from emm.report.study_settings import StudySettings, StudyTableSettings
from emm.report.study_steady import steady

# Settings that a table's numbers depend on; the others, such as its title, may change.
_FIXED = ("dataset", "recipe", "rows", "borrowed", "reference", "trained")
_ESTIMATE = {each.name for each in fields(Estimate)}
_SEEN = "seen"  # a fact about every row, of which a file has counts only
_Facts: Any = make_dataclass(
    "_Facts",
    [(name, hint) for name, hint in get_type_hints(DatasetFacts).items() if name != _SEEN],
)


@dataclass(frozen=True)
class StoredTable:
    """Content of a table's file.

    Args:
        facts: about the table's dataset, without the seen rows.
        seen: number of rows with the features of a row of train, by split; empty if unknown.
        pool: the table's models of which those of one seed form a pair.
    """

    table: StudyTable
    facts: DatasetFacts
    seen: Mapping[str, int]
    pool: tuple[str, ...]


_Content: Any = make_dataclass(
    "_Content", [*{**get_type_hints(StoredTable), "facts": _Facts}.items()]
)


def results_file(root: Path, table: str) -> Path:
    """Where a study in ``root`` keeps a table."""
    return root / "results" / f"{table}.json"


def stored_table(table: StudyTable, facts: DatasetFacts, study: StudySettings) -> StoredTable:
    """What the file of ``table`` holds."""
    seen = {split: facts.seen_rows(split) for split in SPLITS if split in facts.seen}
    pool = table.settings.in_pool(study.pool)
    return StoredTable(steady(table), replace(facts, seen={}), seen, pool)


def write_stored(path: Path, stored: StoredTable) -> None:
    """Write a table's file; infinitely many degrees of freedom are null: JSON has no infinity."""
    tree = asdict(stored)
    del tree["facts"][_SEEN]
    for estimate in _estimates(tree):
        if math.isinf(estimate["degrees_of_freedom"]):
            estimate["degrees_of_freedom"] = None
    write_json(path, tree)


def read_stored(path: Path, next_step: str) -> StoredTable:
    """Read what `write_stored` wrote.

    Raises DataError if the file is missing, damaged or of another version of the code.
    """
    tree: Any = read_tree(path, next_step)
    for estimate in _estimates(tree):
        if estimate["degrees_of_freedom"] is None:
            estimate["degrees_of_freedom"] = math.inf
    errors: list[str] = []
    content = bind(_Content, tree, "", errors)
    if errors:
        refuse(path, "has unexpected content", "; ".join(errors), None, next_step)
    return StoredTable(**{**vars(content), "facts": DatasetFacts(**vars(content.facts))})


def read_all_stored(study: StudySettings, root: Path) -> dict[str, StoredTable]:
    """Read the files of a study in ``root``, by table; there is none for tables without a file.

    Raises:
        DataError: a file is unusable, doesn't fit the settings, or two are about other data.
    """
    found: dict[str, StoredTable] = {}
    for name, settings in study.tables.items():
        path, next_step = results_file(root, name), f"run `cd {root} && dvc repro table-{name}`"
        if path.exists():
            stored = read_stored(path, next_step)
            _check_fit(path, stored, name, study, next_step)
            found[name] = replace(stored, table=replace(stored.table, settings=settings))
    _check_same_data(found, root)
    return found


def _estimates(tree: object) -> list[dict[str, Any]]:
    """The estimates within a file's content, wherever they are."""
    if not isinstance(tree, dict):
        return []
    if set(tree) == _ESTIMATE:
        return [tree]
    return [estimate for each in tree.values() for estimate in _estimates(each)]


def _check_fit(
    path: Path, stored: StoredTable, name: str, study: StudySettings, next_step: str
) -> None:
    """Refuse a file whose numbers follow from other settings than the current ones."""
    settings, table = study.tables[name], stored.table
    family = table.family.against if table.family else ()
    pairs = {
        **{key: (_value(table.settings, key), _value(settings, key)) for key in _FIXED},
        "models of the results": (", ".join(table.results), ", ".join(settings.names)),
        "primary family": (", ".join(family), ", ".join(study.against(name))),
        "pool": (", ".join(stored.pool), ", ".join(settings.in_pool(study.pool))),
    }
    for key, (got, expected) in pairs.items():
        if got != expected:
            what = f"of the table {name!r} was computed with other settings: {key}"
            refuse(path, what, got or "none", expected or "none", next_step)


def _value(settings: StudyTableSettings, key: str) -> str:
    if key == "borrowed":
        return ", ".join(f"{row.row} of {row.dataset} as {row.name}" for row in settings.borrowed)
    value = getattr(settings, key)
    return value if isinstance(value, str) else ", ".join(value)


def _check_same_data(found: Mapping[str, StoredTable], root: Path) -> None:
    """Refuse tables of one dataset that were computed on different data."""
    first: dict[str, str] = {}
    for name, stored in found.items():
        other = first.setdefault(stored.facts.name, name)
        if (stored.facts, stored.seen) != (found[other].facts, found[other].seen):
            what = f"of the table {name!r} is about other data than {other}.json"
            got = f"other facts about {stored.facts.name}"
            next_step = f"run `cd {root} && dvc repro table-{other} table-{name}`"
            refuse(results_file(root, name), what, got, "the same facts", next_step)
