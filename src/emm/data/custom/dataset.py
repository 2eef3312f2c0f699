"""The dataset that the section `custom` of a configuration describes."""

from pathlib import Path

from emm.data.custom.describe import describe_custom
from emm.data.custom.files import CustomFiles
from emm.data.custom.numbers import Notation
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
    name: str,
    custom: CustomDataSettings,
    raw: Path,
    *,
    config: str,
    carried: tuple[str, ...] = (),
    raw_columns: tuple[str, ...] = (),
) -> Dataset:
    """Describe the files in ``raw`` as a dataset: see `describe_custom`.

    ``config``: the configuration file, for messages; ``carried``: further columns to read, which
    do not become features; ``raw_columns``: those whose raw values are wanted.
    """
    return describe_custom(
        name,
        raw,
        files=CustomFiles(
            custom.parts,
            custom.separator,
            custom.missing_texts,
            custom.columns,
            custom.encoding,
            Notation(custom.decimal, custom.thousands),
        ),
        columns=CustomColumns(
            dense=custom.dense,
            sparse=custom.sparse,
            bags=custom.bags,
            drop=custom.drop,
            key=custom.key,
            weight=custom.weight,
            carried=carried,
            raw=raw_columns,
            dates=custom.dates,
        ),
        tasks=custom.custom_tasks,
        split=split_of(custom),
        config=config,
    )


def split_of(custom: CustomDataSettings) -> Split:
    """The split rule of a section that has passed `custom_faults`."""
    split = custom.split
    if "validation" in custom.parts:
        return AsPublished()
    if split is None:
        return Halved()
    if split.by == "file":
        return HeldOut(split.share("validation"), split.column) if split.validation else Halved()
    column = split.column or custom.key or ""
    if split.by == "column":
        return ByColumn(column, split.values("validation"), split.values("test"))
    shares = split.share("validation"), split.share("test")
    if split.by == "random":
        return Randomly(*shares)
    return ByTime(column, *shares) if split.by == "time" else ByKey(column, *shares)
