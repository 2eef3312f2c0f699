"""Which raw or processed column each input of a model reads."""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from emm.core.errors import ParamsError, nearest
from emm.data.tables.expressions import columns_read
from emm.outside.scorer import ModelInput

_NEAR = 3
_PLACE = re.compile(r"\[\d+\]$")  # of a column in a matrix


@dataclass(frozen=True)
class Matches:
    """The column or expression of each input, and what couldn't be matched.

    Attributes:
        inputs: by input, in the model's order.
        alike: the inputs that are called nearly as their columns.
        by_order: the inputs that are matched by their order.
        unmatched: by input, the columns with the nearest names.
        unused: keys of ``columns`` that are no input, with the nearest inputs.
    """

    inputs: Mapping[str, str] = field(default_factory=dict)
    alike: tuple[str, ...] = ()
    by_order: tuple[str, ...] = ()
    unmatched: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unused: Mapping[str, str] = field(default_factory=dict)

    @property
    def said(self) -> Iterator[str]:
        """Sentences about the matches that aren't by name."""
        if self.alike:
            pairs = ", ".join(f"{name!r} {self.inputs[name]!r}" for name in self.alike)
            yield f"inputs read the columns with nearly the same names: {pairs}"
        if self.by_order:
            yield (
                f"the inputs {self.by_order[0]} to {self.by_order[-1]} have no names: they read "
                f"the reference's columns in their order, {self.inputs[self.by_order[0]]!r} to "
                f"{self.inputs[self.by_order[-1]]!r}"
            )


def match_inputs(
    inputs: Sequence[ModelInput],
    expressions: Mapping[str, str],
    known: Sequence[str],
    order: Sequence[str] = (),
) -> Matches:
    """Match inputs with columns: by ``expressions``, by name, by a nearly equal name, by order.

    ``known``: the columns; ``order``: those that the inputs without names read, if there are as
    many of these. Raises ParamsError for an expression over other columns.
    """
    names = [each.name for each in inputs]
    unnamed = [name for name in names if _PLACE.search(name) and name not in (*expressions, *known)]
    by_order = dict(zip(unnamed, order, strict=True)) if len(unnamed) == len(order) else {}
    found, unmatched = dict[str, str](), dict[str, tuple[str, ...]]()
    alike, ordered = [], []
    for name in names:
        if name in expressions:
            columns_read(expressions[name], known, name)
            found[name] = expressions[name]
        elif name in known:
            found[name] = name
        elif name in by_order:
            found[name] = by_order[name]
            ordered.append(name)
        elif len(near := [column for column in known if _plain(column) == _plain(name)]) == 1:
            found[name] = near[0]
            alike.append(name)
        else:
            unmatched[name] = tuple(_nearest(name, known))
    unused = {name: nearest(name, names) for name in expressions if name not in names}
    return Matches(found, tuple(alike), tuple(ordered), unmatched, unused)


def require_matched(matches: Matches, where: str, known: Collection[str]) -> None:
    """Raise ParamsError if an input has no column, or ``columns`` names what is no input."""
    if matches.unused:
        name, hint = next(iter(matches.unused.items()))
        raise ParamsError(
            f"the model has no input {name!r}; {hint}", where=where, next_step="correct the name"
        )
    if matches.unmatched:
        lines = [
            f"{name!r}" + (f", nearest {', '.join(map(repr, near))}" if near else "")
            for name, near in matches.unmatched.items()
        ]
        first = next(iter(matches.unmatched))
        raise ParamsError(
            "some inputs of the model have no column of their name",
            where=where,
            got="; ".join(lines),
            expected=f"columns among {', '.join(known)}",
            next_step=f"say what they read: columns: {{{first}: a column or an SQL expression}}",
        )


def columns_of(matches: Matches, known: Sequence[str]) -> tuple[str, ...]:
    """The columns that the inputs read, each once."""
    read = [columns_read(text, known, name) for name, text in matches.inputs.items()]
    return tuple(dict.fromkeys(column for columns in read for column in columns))


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.casefold())


def _nearest(name: str, known: Sequence[str]) -> Iterator[str]:
    by_plain = {_plain(column): column for column in known}
    for close in difflib.get_close_matches(_plain(name), by_plain, n=_NEAR):
        yield by_plain[close]
