"""Names of columns in processed data, some of which are those of a table."""

from emm.data.tables.schema import BAG, WEIGHT, label_column

GROUPS, GROUP = "groups.parquet", "group"
"""File of processed data, and its column with the number of each row's group for folds."""

RAW_COPY = "__raw:"
_PREFIX = "column:"
_RESERVED = (label_column(""), _PREFIX, "__")


def stored_name(column: str) -> str:
    """Name under which a column is stored: its own where that is safe, otherwise with a prefix.

    Not safe are names of other stored columns, names that start as those of temporary columns do,
    and names that Polars reads as patterns: ``*`` and ``^...$``.
    """
    pattern = column == "*" or (column.startswith("^") and column.endswith("$"))
    taken = column in (BAG, WEIGHT) or column.startswith(_RESERVED)
    return _PREFIX + column if pattern or taken else column


def raw_copy(column: str) -> str:
    """Name of a temporary column with the raw values of a column that is changed when read."""
    return f"{RAW_COPY}{column}"


def original_name(stored: str) -> str:
    """Name of a stored column in its table: the inverse of `stored_name`."""
    return stored.removeprefix(_PREFIX)
