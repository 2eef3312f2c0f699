"""Entries of outside models, loaded as a pool's members."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from emm.data.tables.schema import FORMAT, DenseColumn, Schema, SparseColumn
from emm.fusion.outside_models import Joined, OutsideMembers, outside_models
from emm.outside.member import Join
from emm.outside.settings import OutsideModel
from tests.fusion.conftest import INPUTS
from tests.fusion.native import COLUMNS


def schema_of(
    tasks: Sequence[str], outputs: Sequence[int] = (), regressions: Sequence[str] = ()
) -> Schema:
    """A schema of INPUTS; ``outputs``: number of logits of each task, () if all have one."""
    several = {t: n for t, n in zip(tasks, outputs or [1] * len(tasks), strict=True) if n > 1}
    return Schema(
        format=FORMAT,
        dataset="tiny",
        title="",
        licence="",
        origin="",
        tasks=tuple(tasks),
        key=None,
        weight=None,
        dense=tuple(
            DenseColumn(name, 0.0, 1.0, 0.5, 0.3, 0, constant=False, quantiles=())
            for name in COLUMNS[: INPUTS.dense]
        ),
        sparse=tuple(
            SparseColumn(name, count, 0, constant=False)
            for name, count in zip(COLUMNS[INPUTS.dense :], INPUTS.cardinalities, strict=True)
        ),
        splits={},
        vocabularies={},
        kinds={**dict.fromkeys(several, "classes"), **dict.fromkeys(regressions, "regression")},
        classes={task: tuple(map(str, range(count))) for task, count in several.items()},
    )


def in_torch(_name: str, _entry: OutsideModel) -> Joined:
    """How trees on processed columns join."""
    return Joined(Join("torch"))


def load(
    entries: Mapping[str, OutsideModel],
    tasks: Sequence[str] = ("t0", "t1"),
    outputs: Sequence[int] = (),
    regressions: Sequence[str] = (),
) -> OutsideMembers:
    """Load networks by factory and trees on processed columns."""
    return outside_models(entries, schema_of(tasks, outputs, regressions), INPUTS, in_torch)


def entry_of(
    factory: str, weights: Path, task: str = "t0", tower: str | None = None
) -> OutsideModel:
    """The entry of a network by factory, without a reference."""
    return OutsideModel(task, factory=factory, weights=str(weights), tower=tower, reference="none")
