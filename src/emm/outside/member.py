"""What the stage `score` found out about an outside model, as member.json."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from emm.config.binding import bind
from emm.core.errors import ModelFileError
from emm.core.files import write_json
from emm.nn.structure import Layer
from emm.outside.settings import Gives

FORMAT = 1
MEMBER = "member.json"
WEIGHTS = "layers.safetensors"
"""Weights of the layers of a network that is cut."""

JoinKind = Literal["torch", "cut", "opaque"]


@dataclass(frozen=True)
class Join:
    """How a model joins the pool.

    Attributes:
        kind: ``torch``: it runs here, on the processed columns, and has no stored scores;
            ``cut``: its layers run here from the output of the first ones, which is stored;
            ``opaque``: its logits are stored.
        reason: why it is opaque.
        width: W, the number of columns of its scores; 0 without scores.
        layers: of a network that is cut: front, layers and output, in order.
        description: of a network that is cut: rebuilds its layers (`emm.outside.onnx`).
    """

    kind: JoinKind
    reason: str | None = None
    width: int = 0
    layers: tuple[Layer, ...] = ()
    description: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Checked:
    """The comparison with the original's own predictions."""

    rows: int
    largest_difference: float
    tolerance: float
    reason: str | None = None


@dataclass(frozen=True)
class Quality:
    """AUC (macro AUC of classes), or R squared of a regression, on the labelled rows.

    None where it is undefined: one class only.
    """

    metric: Literal["auc", "r2"]
    validation: float | None
    train: float | None


@dataclass(frozen=True)
class MemberDescription:
    """Everything about an outside model but its scores and weights.

    Attributes:
        kind: ``onnx``, ``lightgbm``, ``xgboost``, ``catboost`` or ``network`` (by factory).
        sha256: of its file.
        columns: ``raw`` or ``encoded``.
        inputs: the column or expression that each input reads, in the model's order.
        gives: what its output is, before scores were made of it.
        said: why it is taken as that, and what else was found.
        checked: None without a reference.
        quality: None for a model that runs in torch before decomposition.
    """

    name: str
    task: str
    kind: str
    sha256: str
    columns: Literal["raw", "encoded"]
    inputs: Mapping[str, str]
    gives: Gives
    join: Join
    checked: Checked | None = None
    quality: Quality | None = None
    said: tuple[str, ...] = ()


def write_member(folder: Path, member: MemberDescription) -> None:
    """Write member.json to ``folder``."""
    write_json(folder / MEMBER, {"format": FORMAT, **asdict(member)})


def read_member(folder: Path) -> MemberDescription:
    """Read member.json. Raises ModelFileError if it is missing, damaged or of another format."""
    path = folder / MEMBER
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _refused(path, f"can't be read: {error}") from error
    if not isinstance(tree, dict) or tree.pop("format", None) != FORMAT:
        raise _refused(path, "is of another format")
    errors: list[str] = []
    member: MemberDescription | None = bind(MemberDescription, tree, "", errors)
    if member is None:
        raise _refused(path, f"is damaged: {'; '.join(errors)}")
    return member


def _refused(path: Path, what: str) -> ModelFileError:
    return ModelFileError(
        f"the description {path} {what}", where=path, next_step="dvc repro score, or dvc checkout"
    )
