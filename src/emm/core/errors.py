"""Errors that a user can act on: what, where, what was found and expected, what next."""


class EmmError(Exception):
    """Base of every error that a command shows as one message, without a traceback.

    ``exit_code`` is 1 for work that failed and 2 for input that can't be used.
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
    """params.yaml, or an option on the command line, can't be used."""

    exit_code = 2


class DataError(EmmError):
    """Data isn't what its contract says."""


class DownloadError(EmmError):
    """No source of a dataset could deliver it."""


class ModelFileError(EmmError):
    """A stored model or components file can't be trusted or doesn't fit."""


class DecompositionError(EmmError):
    """Trained models share no layer at which they could be cut."""


class OutOfSpaceError(EmmError):
    """The disk is full or may not be written to."""
