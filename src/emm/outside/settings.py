"""Settings of trained models from outside the pipeline, as entries of ``fusion.pool``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from emm.config.faults import EXPECTED

Columns = Literal["encoded", "raw"]
"""Columns that a model reads: those of data/processed, or those of the raw files."""

Gives = Literal["probability", "logit", "value"]
"""What a model's output is: a probability, its logit, or a number in the task's own units."""
GIVES: tuple[Gives, ...] = get_args(Gives)

NO_REFERENCE = "none"
"""What an entry says that comes without the original's predictions."""

TOLERANCE, MAX_TOLERANCE = 1e-5, 1e-4
"""Largest difference from the original's predictions: by default, and with a reason."""

MIN_REFERENCE_ROWS = 50


@dataclass(frozen=True)
class OutsideModel:
    """A trained model from outside the pipeline.

    Attributes:
        task: the task that it predicts.
        model: its file: an ONNX model, or trees as LightGBM, XGBoost or CatBoost saved them.
        factory: of a torch network, the function that builds it, ``package.module:function``.
        weights: of a torch network, its weights as .safetensors.
        tower: of a torch network, the module that turns the last hidden layer into the logit; by
            default the last linear layer.
        columns: ``encoded``: it reads the processed columns; ``raw``: the raw columns of its
            inputs' names; or, by input, a raw column or an SQL expression over raw columns, and
            the other inputs by name. By default ``encoded`` for networks by factory, ``raw`` for
            ONNX models and CatBoost, and for other trees what their file proves.
        output: of an ONNX model with several outputs, which one: ``logit`` or
            ``probabilities[:, 1]``.
        gives: what the output is; by default what the file proves.
        reference: file of rows with the original's predictions in the column ``prediction``, or
            ``none``.
        tolerance: largest difference from these predictions; beyond 1e-5 only with a ``reason``.
    """

    task: str
    model: str | None = None
    factory: str | None = None
    weights: str | None = None
    tower: str | None = None
    columns: Mapping[str, str] | Columns | None = None
    output: str | None = None
    gives: Gives | None = None
    reference: str | None = None
    tolerance: Annotated[float, Field(gt=0, le=MAX_TOLERANCE)] = TOLERANCE
    reason: str | None = None

    @property
    def is_network(self) -> bool:
        """Whether a factory builds it."""
        return self.factory is not None

    @property
    def path(self) -> str:
        """The file with what it learned."""
        return self.model or self.weights or ""

    @property
    def files(self) -> tuple[str, ...]:
        """All files that it comes with."""
        reference = None if self.reference == NO_REFERENCE else self.reference
        return tuple(filter(None, (self.model, self.weights, reference)))

    @property
    def expressions(self) -> Mapping[str, str]:
        """Raw column or SQL expression by input, for the inputs that name one."""
        return self.columns if isinstance(self.columns, Mapping) else {}


def _by_name(pool: Any) -> Any:
    """Refuse forms that earlier versions read, in words that show today's."""
    if pool == []:  # what earlier versions wrote for none
        return {}
    if isinstance(pool, list):
        raise PydanticCustomError(EXPECTED, f"a name for each model{_SHOWN}")
    for name, entry in pool.items() if isinstance(pool, Mapping) else ():
        if not _NAME.fullmatch(str(name)):
            raise PydanticCustomError(EXPECTED, "names of letters, digits, '-' and '_' only")
        if isinstance(entry, Mapping) and "trees" in entry:
            raise PydanticCustomError(EXPECTED, f"`model` in place of the key `trees`{_SHOWN}")
    return pool


_NAME = re.compile(r"\w[\w-]*")
"""Names are parts of keys, which are separated by dots, and of paths."""

_ENTRY = "{task: income, model: pool/risk.onnx, reference: pool/risk.reference.parquet}"
_SHOWN = f", such as {{risk: {_ENTRY}}}"

OutsideModels = Annotated[Mapping[str, OutsideModel], BeforeValidator(_by_name)]
"""Outside models by name."""
