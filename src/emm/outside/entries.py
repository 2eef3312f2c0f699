"""Faults of the pool's entries that their settings show, before any model is read."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from emm.core.errors import EmmError, ParamsError, nearest
from emm.data.tables.schema import REGRESSION
from emm.outside.settings import NO_REFERENCE, TOLERANCE, OutsideModel

_ONLY_NETWORK = "of a network by factory only"
_ONLY_FILE = "of a model file only"


def entry_faults(entry: OutsideModel, tasks: Mapping[str, str], where: str) -> Iterator[EmmError]:
    """What can't be used of an entry; ``tasks``: the kind of each task of the dataset."""
    if entry.task not in tasks:
        yield ParamsError(
            f"no task is called {entry.task!r}; {nearest(entry.task, tasks)}",
            where=where,
            next_step="correct the task of the entry",
        )
    network = entry.factory is not None and entry.weights is not None
    if network == (entry.model is not None) or (entry.factory is None) != (entry.weights is None):
        yield ParamsError(
            "an entry of the pool is neither a network nor a model file",
            where=where,
            got=", ".join(
                f"{key}: {value}"
                for key, value in vars(entry).items()
                if key in ("model", "factory", "weights") and value
            )
            or "no model",
            expected="model, or factory and weights of a network",
            next_step="complete the entry",
        )
    yield from _keys(entry, tasks.get(entry.task), where)
    yield from _reference(entry, where)
    for file in entry.files:
        if not Path(file).exists() and not Path(f"{file}.dvc").exists():
            yield ParamsError(
                f"the file {file} of an outside model doesn't exist",
                where=where,
                next_step="put it there, or correct the path",
            )


def _keys(entry: OutsideModel, kind: str | None, where: str) -> Iterator[ParamsError]:
    """Keys that this entry of a task of this ``kind`` has no use for."""
    if entry.factory is not None and len(entry.factory.split(":")) != 2:
        yield ParamsError(
            f"the factory {entry.factory!r} names no function",
            where=where,
            expected="package.module:function",
            next_step="write the function after a colon",
        )
    wrong: list[tuple[str, object, str]] = []
    if entry.is_network:
        wrong = [("output", entry.output, _ONLY_FILE)]
        if entry.columns not in (None, "encoded"):
            wrong.append(("columns", entry.columns, "encoded: its forward reads (dense, sparse)"))
        if entry.gives == "value":
            wrong.append(("gives", entry.gives, "logit, or probability after a final nn.Sigmoid()"))
    elif entry.model is not None:
        wrong = [("tower", entry.tower, _ONLY_NETWORK)]
        if kind is not None and entry.gives and (entry.gives == "value") != (kind == REGRESSION):
            of = "value, of a regression" if kind == REGRESSION else "probability or logit"
            wrong.append(("gives", entry.gives, of))
    for key, value, expected in wrong:
        if value is not None:
            yield ParamsError(
                f"the key {key} doesn't fit its entry",
                where=where,
                got=f"{key}: {value}",
                expected=expected,
                next_step="take it out",
            )


def _reference(entry: OutsideModel, where: str) -> Iterator[ParamsError]:
    if entry.reference is None:
        yield ParamsError(
            "the entry names no reference, so nobody would notice that the model predicts "
            "something else here than where it was trained",
            where=where,
            got="no key reference",
            expected=f"reference: FILE, at least 50 raw rows with the model's own predictions in "
            f"the column prediction; or reference: {NO_REFERENCE}",
            next_step="write such a file as pool/README.md says; `reference: none` goes without, "
            "and the report then says that the model is unchecked",
        )
    if entry.tolerance > TOLERANCE and not entry.reason:
        yield ParamsError(
            "a tolerance beyond 1e-5 needs a reason",
            where=where,
            got=f"tolerance: {entry.tolerance:g}",
            expected="reason: why the predictions differ, such as float32 in the export",
            next_step="add the key reason, or take the tolerance out",
        )
