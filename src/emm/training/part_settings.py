"""Settings of a part of a table: the columns that a member reads, the rows that it learns on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from emm.core.errors import ParamsError, nearest
from emm.data.tables.names import original_name
from emm.data.tables.schema import Schema

Columns = tuple[str, ...] | Mapping[Literal["except"], tuple[str, ...]]
"""Names of columns, or of all others: {except: [..]}."""

Values = tuple[str | int | float | bool, ...]


@dataclass(frozen=True)
class Bounds:
    """Numbers of a dense column, in its own units: at_least <= x < below."""

    at_least: float | None = None
    below: float | None = None


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a member of the pool knows of the table.

    Attributes:
        columns: that it reads; null: all.
        rows: that it learns on, by column: values of a sparse one, or bounds of a dense one. A row
            must meet all conditions; {} stands for all rows.
    """

    columns: Columns | None = None
    rows: Mapping[str, Values | Bounds] = field(default_factory=dict)

    @property
    def part(self) -> "Part":
        """The part as such, of a section with other keys, too."""
        return Part(columns=self.columns, rows=self.rows)


WHOLE = Part()


def part_faults(part: Part, schema: Schema) -> Iterator[str]:
    """What a part names wrongly: columns that the table lacks, or of the other kind."""
    known = _positions(schema)
    single = {name for name, place in known.items() if place < len(known) - len(schema.bags)}
    places = (("columns", _named(part.columns), known), ("rows", part.rows, single))
    for key, names, allowed in places:
        for name in names:
            if name in known and name not in allowed:
                yield f"{key}: {name} holds several values in a row, which no condition can read"
            elif name not in known:
                yield f"{key}: no column is called {name!r}; {nearest(name, known)}"
    if part.columns is not None and not set(known) - set(_hidden_names(part.columns, known)):
        yield "columns: no column is left to read"
    dense = {original_name(column.name) for column in schema.dense}
    for name, condition in part.rows.items():
        if name not in single:
            continue
        if isinstance(condition, Bounds) != (name in dense):
            kind, form = ("numbers", "at_least, below") if name in dense else ("values", "[..]")
            yield f"rows.{name}: the column holds {kind}; expected {form}"
        elif isinstance(condition, Bounds) and condition == Bounds():
            yield f"rows.{name}: no bound; expected at_least, below or both"


def hidden_columns(part: Part, schema: Schema) -> tuple[int, ...]:
    """Positions of the columns that aren't read, among the dense and then the sparse ones.

    Raises ParamsError for a part that the table doesn't have.
    """
    refuse_part(part, schema)
    if part.columns is None:
        return ()
    known = _positions(schema)
    return tuple(sorted(known[name] for name in _hidden_names(part.columns, known)))


def refuse_part(part: Part, schema: Schema) -> None:
    """Raise ParamsError for a part that the table doesn't have."""
    faults = [*part_faults(part, schema)]
    if faults:
        raise ParamsError(
            "a part of the table can't be used:\n" + "\n".join(f"  - {each}" for each in faults),
            where=f"columns of {schema.dataset}",
            next_step="correct the names in the model's section",
        )


def _positions(schema: Schema) -> dict[str, int]:
    names = [*schema.dense_names, *schema.sparse_names, *(bag.name for bag in schema.bags)]
    return {original_name(name): number for number, name in enumerate(names)}


def _named(columns: Columns | None) -> tuple[str, ...]:
    if columns is None:
        return ()
    return tuple(columns["except"]) if isinstance(columns, Mapping) else columns


def _hidden_names(columns: Columns, known: Mapping[str, int]) -> list[str]:
    named = set(_named(columns))
    return [name for name in known if (name in named) == isinstance(columns, Mapping)]
