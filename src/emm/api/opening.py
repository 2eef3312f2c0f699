"""Open what predicts new rows: a row of the table, or the folder of an exported model."""

from pathlib import Path
from typing import NamedTuple

from emm.config.project import PARAMS_FILE
from emm.core.errors import ParamsError
from emm.export.signature import MODEL
from emm.predict.model import RowModel


class Opened(NamedTuple):
    """A model; ``processed``: folder of the data on which it was trained, None of an export."""

    model: RowModel
    processed: Path | None


def open_model(
    name: str | Path,
    *,
    seed: int | None = None,
    threads: int | None = None,
    file: Path = PARAMS_FILE,
) -> Opened:
    """Open a row of the table, such as ``census-income/tuned/emm``, or an exported folder.

    ``seed`` and ``threads``: see `emm.predict.stored.open_row`; ``file``: the params.yaml of a row.
    """
    folder = Path(name)
    if (folder / MODEL).exists():
        from emm.export.predicting import open_bundle

        if seed is not None:
            raise ParamsError(
                "an exported model has one seed",
                where=folder,
                got=f"seed {seed}",
                next_step="leave the seed out, or export the model of another seed",
            )
        return Opened(open_bundle(folder, threads), None)
    from emm.predict.stored import open_row

    row = open_row(str(name), seed=seed, threads=threads, file=file)
    return Opened(row.model, row.processed)
