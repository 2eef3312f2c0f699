"""Contradictions of the pool's models from outside: their entries, names, and raw columns."""

from collections.abc import Iterator
from pathlib import Path

from emm.commands.contradictions.known import Known
from emm.core.errors import EmmError, ParamsError
from emm.outside.entries import entry_faults
from emm.trees.native.formats import recognise

WRITES = "`emm check --fix` writes it"


def outside_contradictions(known: Known) -> Iterator[ParamsError]:
    """What the entries of fusion.pool contradict, in themselves and in other settings."""
    faults = [*_entries(known)]
    yield from faults
    yield from _names(known)
    if known.fusion.pool and not faults:
        yield from _raw(known)


def may_be_network(model: str | None) -> bool:
    """Whether a model's file, or a factory in its place, may be a network that is cut."""
    if model is None:
        return True
    try:
        return recognise(Path(model)) is None
    except EmmError:
        return False


def _entries(known: Known) -> Iterator[ParamsError]:
    taken = {
        **dict.fromkeys(known.active.trained, f"`trained` of {known.project.file}"),
        **dict.fromkeys(known.active.trees, f"`trees` of {known.project.file}"),
    }
    for name, entry in known.fusion.pool.items():
        where = f"{known.recipe.path}: fusion.pool.{name}"
        for fault in entry_faults(entry, known.kinds, where):
            yield ParamsError(str(fault))
        if name in taken:
            yield ParamsError(
                f"the name {name!r} stands for two members of the pool",
                where=where,
                got=f"it is also in {taken[name]}",
                next_step="give the outside model another name",
            )


def _names(known: Known) -> Iterator[ParamsError]:
    """params.yaml names the outside models, as stages are made of its lists."""
    pool, outside, file = known.fusion.pool, known.active.outside, known.project.file
    if missing := [name for name in pool if name not in outside]:
        yield ParamsError(
            f"the pool's model {missing[0]!r} isn't active, so nothing scores it",
            where=f"{file}: outside",
            got=", ".join(outside) or "[]",
            expected=", ".join(pool),
            next_step=WRITES,
        )
    if unknown := [name for name in outside if name not in pool]:
        yield ParamsError(
            f"{known.dataset} has no outside model {unknown[0]!r}",
            where=f"{file}: outside",
            got=", ".join(outside),
            expected=f"the names of fusion.pool in {known.recipe.path}: {', '.join(pool) or '[]'}",
            next_step=f"{WRITES}; datasets that are active at once have models of the same names",
        )


def _raw(known: Known) -> Iterator[ParamsError]:
    """The columns that outside models read are kept, where the data says which there are."""
    from emm.outside.wanted import wanted_columns  # imports torch

    processed = known.project.paths(known.dataset).processed
    try:
        wanted = wanted_columns(known.fusion.pool, processed, str(known.recipe.path))
    except EmmError as error:
        yield ParamsError(str(error))
        return
    for name, columns in wanted.items():
        lacking = [each for each in columns if each not in known.preprocess.raw]
        if lacking:
            yield ParamsError(
                f"{name} reads raw columns that preprocess doesn't keep",
                where=f"{known.data.path}: preprocess.raw",
                got=", ".join(known.preprocess.raw) or "[]",
                expected=f"also {', '.join(lacking)}",
                next_step=f"{WRITES}; then dvc repro",
            )
