"""Errors that a user can act on: what happened, where, what was found and expected, what next."""

import difflib
from collections.abc import Iterable


class EmmError(Exception):
    """Base class of the errors that a command shows as one message, without a traceback.

    ``exit_code`` is 1 for failed work and 2 for unusable input.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        got: object = None,
        expected: object = None,
        next_step: str | None = None,
    ) -> None:
        details = {"where": where, "got": got, "expected": expected, "next": next_step}
        lines = [f"  {name}: {value}" for name, value in details.items() if value is not None]
        super().__init__("\n".join([what, *lines]))


class ParamsError(EmmError):
    """A setting in a parameter file or a command-line option can't be used."""

    exit_code = 2


class DataError(EmmError):
    """Data violates its contract."""


class DownloadError(EmmError):
    """None of a dataset's sources could deliver it."""


class ModelFileError(EmmError):
    """A stored model or components file is damaged, unsafe or doesn't fit."""


class DecompositionError(EmmError):
    """Trained models have no common layer at which they could be cut."""


class OutOfSpaceError(EmmError):
    """The disk is full or may not be written to."""


def nearest(key: str, known: Iterable[str]) -> str:
    """A question that names the known key closest to ``key``, or the list of all known keys."""
    known = [*map(str, known)]
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"


def choose(kind: str, name: str, known: Iterable[str], where: object, next_step: str) -> None:
    """Raise ParamsError unless ``name`` is one of ``known``."""
    known = [*map(str, known)]
    if name not in known:
        raise ParamsError(
            f"no {kind} is called {name!r}; {nearest(name, known)}",
            where=where,
            got=name,
            expected=f"one of {', '.join(known) or 'none'}",
            next_step=next_step,
        )
