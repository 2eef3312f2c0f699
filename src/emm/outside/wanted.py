"""The raw columns that the pool's outside models read."""

from collections.abc import Mapping
from pathlib import Path

from emm.data.tables.kinds import COLUMNS, RAW
from emm.data.tables.schema import load_schema
from emm.outside.check import open_entry
from emm.outside.factories import trusting
from emm.outside.settings import OutsideModel


def wanted_columns(
    pool: Mapping[str, OutsideModel], processed: Path, where: str
) -> dict[str, tuple[str, ...]]:
    """The raw columns that each model reads; nothing before the data is preprocessed.

    ``processed``: folder of the processed data, whose columns inputs are matched with; ``where``:
    the recipe's file, for messages. Inputs that no column matches are left out. Raises
    ModelFileError for files that are refused.
    """
    schema = processed / "schema.json"
    entries = {
        name: entry
        for name, entry in pool.items()
        if entry.model is not None and entry.columns != "encoded"
    }
    if not entries or not schema.exists() or not (processed / RAW / COLUMNS).exists():
        return {}
    found = {}
    for name, entry in entries.items():
        with trusting([]):
            at = f"{where}: fusion.pool.{name}"
            opened = open_entry(name, entry, processed, load_schema(schema), at)
        if opened.model.columns == "raw":
            found[name] = opened.columns
    return found
