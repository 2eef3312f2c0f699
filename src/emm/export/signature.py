"""signature.json: what an exported model reads and gives, and the hashes of its files.

Read by what serves the model, so that this module needs neither torch nor Polars.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from emm.config.binding import bind
from emm.core.errors import ModelFileError
from emm.core.files import sha256, write_json

FORMAT = 1
SIGNATURE = "signature.json"
MODEL = "model.onnx"
GOLDEN = "golden.parquet"

PROBABILITY_TOLERANCE, LOGIT_TOLERANCE = 1e-5, 1e-4
"""Largest differences of an export from the model; of values in own units, in units of their
standard deviation."""


@dataclass(frozen=True)
class InputTensor:
    """A tensor with a raw column: [B, 1], or [B, items] of a multi-valued one (role ``bag``).

    ``missing``: the text that stands for a missing value, and pads items; None of doubles, for
    which it is NaN.
    """

    name: str
    column: str
    role: Literal["dense", "sparse", "date", "bag", "member"]
    type: Literal["text", "double"]
    missing: str | None = None


@dataclass(frozen=True)
class OutputTensor:
    """A tensor with a prediction, [B, ``width``].

    ``gives``: a ``logit`` (of a regression the standardised value), a ``probability``, or a
    ``value`` in the task's own units. ``step``: of a funnel: ctr, cvr or ctcvr. ``tolerance``: see
    `LOGIT_TOLERANCE`.
    """

    name: str
    tasks: tuple[str, ...]
    kind: str
    gives: Literal["logit", "probability", "value"]
    type: Literal["float32", "float64"]
    width: int
    step: str
    tolerance: float


@dataclass(frozen=True)
class TaskSignature:
    """A task: its ``kind``, its ``classes`` in the order of their columns, and ``mean`` and ``std``
    of the target of a regression, in its own units."""

    name: str
    kind: str
    classes: tuple[str, ...] = ()
    mean: float | None = None
    std: float | None = None


@dataclass(frozen=True)
class File:
    """Size and sha256 of a file of the folder."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class BundleSignature:
    """Content of signature.json.

    ``source``: dataset, recipe, model and seed; ``funnel``: the tasks of ctr and ctcvr; ``files``:
    every other file of the folder, by its path in it.
    """

    format: int
    name: str
    source: Mapping[str, str]
    tasks: tuple[TaskSignature, ...]
    funnel: tuple[str, ...]
    inputs: tuple[InputTensor, ...]
    outputs: tuple[OutputTensor, ...]
    files: Mapping[str, File]


def files_of(folder: Path) -> dict[str, File]:
    """Every file of a folder except its signature, by its path in it."""
    return {
        path.relative_to(folder).as_posix(): File(path.stat().st_size, sha256(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != SIGNATURE
    }


def write_signature(signature: BundleSignature, folder: Path) -> None:
    """Write signature.json."""
    write_json(folder / SIGNATURE, asdict(signature))


def read_signature(folder: Path, *, verify: bool = True) -> BundleSignature:
    """Read signature.json of an exported folder; ``verify``: compare all files with their hashes.

    Raises ModelFileError if a file is missing, damaged or altered, or the folder is of another
    format.
    """
    path = folder / SIGNATURE
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _refused(folder, f"can't be read: {error}") from error
    found = tree.get("format") if isinstance(tree, dict) else None
    if found != FORMAT:
        raise _refused(folder, "is of another format", got=found, expected=FORMAT)
    errors: list[str] = []
    signature: BundleSignature = bind(BundleSignature, tree, "", errors)
    if errors:
        raise _refused(folder, f"is damaged: {'; '.join(errors)}")
    if verify:
        _verify(folder, signature)
    return signature


def _verify(folder: Path, signature: BundleSignature) -> None:
    if MODEL not in signature.files:
        raise _refused(folder, f"names no {MODEL}")
    for name in signature.files:
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise _refused(folder, f"names a file outside of it: {name}")
    for name, expected in signature.files.items():
        path = folder / name
        if not path.is_file():
            raise _refused(folder, f"lacks the file {name}")
        # The size first: a file that has grown isn't read.
        if path.stat().st_size != expected.bytes or sha256(path) != expected.sha256:
            raise _refused(folder, f"has another {name} than was exported")


def _refused(
    folder: Path, what: str, *, got: object = None, expected: object = None
) -> ModelFileError:
    return ModelFileError(
        f"the exported model {folder} {what}",
        where=folder / SIGNATURE,
        got=got,
        expected=expected,
        next_step="export it again: emm export; or dvc checkout",
    )
