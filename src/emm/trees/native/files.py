"""What the readers of tree files share: reading the file, and their errors."""

from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from emm.core.errors import ModelFileError

LARGEST_FILE = 512 * 2**20  # bytes
Array = NDArray[Any]

Kind = Literal["classifier", "regression"]
"""What a model predicts: logits, or the value itself."""


def content(file: Path) -> bytes:
    """The bytes of the file. Raises ModelFileError if it is unreadable or larger than 512 MiB."""
    try:
        size = file.stat().st_size
        if size <= LARGEST_FILE:
            return file.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"the model file can't be read: {error.strerror}",
            where=file,
            next_step="check the path",
        ) from error
    raise unsupported(
        file,
        "is too large",
        got=f"{size} bytes",
        expected=f"at most {LARGEST_FILE}",
        next_step="save a model with fewer trees",
    )


def model_kind(outputs: int, kind: Kind = "classifier") -> str:
    """How errors name the kind of model that has ``outputs`` logits."""
    if kind == "regression":
        return "a regression of one value"
    return "a binary classifier" if outputs == 1 else f"a classifier of {outputs} classes"


def damaged(file: Path, what: str) -> ModelFileError:
    """The error for a file that contradicts itself or its format."""
    return ModelFileError(
        f"the model file is damaged: {what}",
        where=file,
        next_step="copy the file again, or save the model again",
    )


def unsupported(
    file: Path, what: str, *, got: object, expected: object, next_step: str
) -> ModelFileError:
    """The error for an intact file whose model can't be read, or doesn't fit these columns."""
    return ModelFileError(
        f"the model file {what}", where=file, got=got, expected=expected, next_step=next_step
    )
