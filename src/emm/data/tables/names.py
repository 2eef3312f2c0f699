"""Names of files and columns of processed data; some columns have those of a table."""

WEIGHT = "weight"
"""Name of the processed column with the rows' weights in the training loss, if there are any."""

BAGS = "bags.parquet"
BAG = "bag"
"""Name of the processed column with the number of the row in BAGS that holds a row's bags."""

GROUPS, GROUP = "groups.parquet", "group"
"""File of processed data, and its column with the number of each row's group for folds."""

RAW_COPY = "__raw:"
_PREFIX = "column:"
_LABEL = "label:"
_RESERVED = (_LABEL, _PREFIX, "__")


def label_column(task: str) -> str:
    """Name of the processed column with a task's label."""
    return f"{_LABEL}{task}"


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
