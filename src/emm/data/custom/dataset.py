"""The dataset that a block of params.yaml is about: a registered one, or the user's own table."""

from pathlib import Path

from emm.data.custom.columns import CustomTask
from emm.data.custom.describe import describe_custom
from emm.data.custom.files import CustomFiles
from emm.data.custom.roles import CustomColumns
from emm.data.custom.settings import CustomDataSettings
from emm.data.datasets.dataset import Dataset
from emm.data.datasets.split_rules import (
    AsPublished,
    ByColumn,
    ByKey,
    ByTime,
    Halved,
    HeldOut,
    Randomly,
    Split,
)


def custom_dataset(
    name: str, table: CustomDataSettings, raw: Path, carried: tuple[str, ...] = ()
) -> Dataset:
    """The dataset that a table's section makes of the files in ``raw``: see `describe_custom`."""
    return describe_custom(
        name,
        raw,
        files=CustomFiles(table.parts, table.separator, table.missing_texts),
        columns=CustomColumns(
            dense=table.dense,
            sparse=table.sparse,
            bags=table.bags,
            drop=table.drop,
            key=table.key,
            weight=table.weight,
            carried=carried,
        ),
        tasks={
            task: CustomTask(said.expression, said.kind, said.made_from)
            for task, said in table.custom_tasks.items()
        },
        split=split_of(table),
    )


def split_of(table: CustomDataSettings) -> Split:
    """The rule that a table's section describes; its faults have been told by then."""
    parts, said = table.parts, table.split
    if "validation" in parts:
        return AsPublished()
    if said is None:
        return Halved()
    if said.by == "file":
        return HeldOut(said.share("validation"), said.column) if said.validation else Halved()
    column = said.column or table.key or ""
    if said.by == "column":
        return ByColumn(column, said.values("validation"), said.values("test"))
    shares = said.share("validation"), said.share("test")
    if said.by == "random":
        return Randomly(*shares)
    return ByTime(column, *shares) if said.by == "time" else ByKey(column, *shares)
