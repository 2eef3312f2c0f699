"""The checks of an opened model: its inputs, its reference, and what its output is."""

from dataclasses import dataclass, replace
from pathlib import Path

from emm.core.errors import ModelFileError
from emm.data.tables.kinds import INTEGER, NUMBER, RAW, RawKind
from emm.data.tables.raw import RawSplit, raw_columns
from emm.data.tables.schema import Schema, load_schema
from emm.outside.compare import Limit, compare
from emm.outside.entries import entry_faults
from emm.outside.logits import Values, decide, looks_like_probabilities
from emm.outside.matching import Matches, columns_of, match_inputs, require_matched
from emm.outside.member import Checked
from emm.outside.open import context_of, open_model
from emm.outside.reference import read_reference, reference_columns
from emm.outside.same_columns import require_same_columns
from emm.outside.scorer import Context, OutsideScorer
from emm.outside.settings import NO_REFERENCE, Gives, OutsideModel
from emm.outside.train_columns import FittedColumns, KeptColumns, TrainColumns
from emm.outside.typed import model_rows

TREES = ("lightgbm", "xgboost", "catboost")


@dataclass(frozen=True)
class Opened:
    """A model whose inputs are matched.

    ``known``: the kinds of the columns that it may read, raw or processed ones.
    """

    name: str
    entry: OutsideModel
    context: Context
    model: OutsideScorer
    matches: Matches
    known: dict[str, RawKind]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return columns_of(self.matches, [*self.known])

    def split(self, processed: Path, split: str) -> RawSplit:
        """These columns of a split. Raises DataError if raw ones aren't kept."""
        folder = processed / RAW if self.model.columns == "raw" else processed
        return RawSplit(folder / f"{split}.parquet", self.columns)


def open_entry(
    name: str, entry: OutsideModel, processed: Path, schema: Schema, where: str
) -> Opened:
    """Open the model of an entry and match its inputs, which `require_matched` then checks.

    ``processed``: folder of the processed data with this ``schema``; ``where``: of the entry, for
    messages. Raises the first fault of the entry, and ModelFileError for a file that is refused.
    """
    for fault in entry_faults(entry, {task: schema.kind(task) for task in schema.tasks}, where):
        raise fault
    context = context_of(schema, entry.task, raw_columns(processed))
    model = open_model(name, entry, context)
    known = {**context.raw} if model.columns == "raw" else _encoded_kinds(schema)
    matches = match_inputs(model.inputs, entry.expressions, [*known], _order(entry, known))
    return Opened(name, entry, context, model, matches, known)


def train_columns(opened: Opened, processed: Path, *, kept: bool = True) -> TrainColumns | None:
    """The values of train that those of a reference must look like; None for processed columns.

    ``kept``: whether the raw columns that the model reads are kept in ``processed``.
    """
    if opened.model.columns != "raw":
        return None
    if kept:
        return KeptColumns(opened.split(processed, "train"))
    return FittedColumns(processed, load_schema(processed / "schema.json"), opened.known)


def check_reference(
    opened: Opened, train: TrainColumns | None, gives: Gives | None = None
) -> Checked | None:
    """Compare with the original's own predictions; None without a reference.

    ``train``: see `train_columns`; ``gives``: what the model gives, where more rows than the
    reference's show it. Raises DataError if the reference can't be used, or holds other values
    than the raw columns of train, and ModelFileError if the predictions differ.
    """
    entry, context, model = opened.entry, opened.context, opened.model
    if entry.reference is None or entry.reference == NO_REFERENCE:
        return None
    path = Path(entry.reference)
    columns, known, output = opened.columns, opened.known, entry.output
    reference = read_reference(path, columns, known, context.classes, output)
    if train is not None:
        require_same_columns(reference, train, opened.columns)
    rows = model_rows(reference.rows, model.inputs, opened.matches.inputs)
    predictions = model.predict(iter([rows]))
    gives = gives or entry.gives or model.gives or decide(predictions, context.kind)
    limit = Limit(context.kind, entry.tolerance, entry.reason, context.target)
    return compare(opened.name, predictions, gives, reference, limit, rows)


def gives_of(opened: Opened, predictions: Values) -> tuple[Gives, str | None]:
    """What predictions [N, C] are, and a sentence if their values decide it.

    Raises ModelFileError if the entry says otherwise than the values.
    """
    entry, kind, file = opened.entry, opened.context.kind, opened.entry.path
    stated = entry.gives or opened.model.gives
    probable = looks_like_probabilities(predictions, kind)
    if stated is None:
        found = decide(predictions, kind)
        inside = "all within [0, 1]" if found == "probability" else "not all within [0, 1]"
        return found, f"its output is taken as a {found}: its values are {inside}"
    if stated == "probability" and not probable:
        raise ModelFileError(
            f"{opened.name} gives no probabilities",
            where=file,
            got=f"values from {predictions.min():g} to {predictions.max():g}",
            expected="values within [0, 1]",
            next_step="write `gives: logit`, or name another output",
        )
    if stated == "logit" and probable and opened.model.kind not in TREES:
        raise ModelFileError(
            f"{opened.name} gives probabilities, not logits",
            where=file,
            got=f"values from {predictions.min():g} to {predictions.max():g}, all within [0, 1]",
            expected="logits",
            next_step="return what its last sigmoid or softmax reads; for a model file, write "
            "`gives: probability`",
        )
    return stated, None


def with_gives(opened: Opened, gives: Gives) -> Opened:
    """The model opened again with what its values say that it gives, if its file doesn't."""
    if opened.model.gives is not None or opened.entry.gives is not None:
        return opened
    entry = replace(opened.entry, gives=gives)
    return replace(opened, entry=entry, model=open_model(opened.name, entry, opened.context))


def require_inputs(opened: Opened, where: str) -> None:
    """Raise ParamsError unless every input has a column."""
    require_matched(opened.matches, f"{where}.columns", opened.known)


def _encoded_kinds(schema: Schema) -> dict[str, RawKind]:
    return dict.fromkeys(schema.dense_names, NUMBER) | dict.fromkeys(schema.sparse_names, INTEGER)


def _order(entry: OutsideModel, known: dict[str, RawKind]) -> list[str]:
    """The columns that inputs without names read in their order: those of the reference."""
    if entry.reference in (None, NO_REFERENCE):
        return []
    return [name for name in reference_columns(Path(str(entry.reference))) if name in known]
