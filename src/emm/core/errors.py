"""Errors that a user can act on: what happened, where, what was found and expected, what next."""


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
