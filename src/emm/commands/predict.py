"""`emm predict`: predictions for files of new rows."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from emm.api.opening import open_model
from emm.core.progress import say
from emm.predict.files import find_files
from emm.predict.output import require_suffix
from emm.predict.run import predict_files

if TYPE_CHECKING:
    from emm.export.on_ray import RayEngine


def predict_rows(
    name: str,
    inputs: Sequence[str],
    out: Path,
    *,
    file: Path,
    seed: int | None = None,
    threads: int | None = None,
    logits: bool = False,
    ray: bool = False,
) -> None:
    """Predict the rows of files with the model ``name``, and say what was written.

    ``ray``: an exported model's logits are computed on a Ray cluster.
    """
    require_suffix(out)
    files = find_files(inputs)
    opened = open_model(name, seed=seed, threads=threads, file=file)
    with _engine(Path(name)) if ray else nullcontext() as engine:
        found = predict_files(
            opened.model,
            files,
            out,
            as_logits=logits,
            processed=opened.processed,
            engine=engine,
        )
    rate = found.rows / max(found.seconds, 1e-9)
    say(f"{out}: {found.rows:,} rows in {found.seconds:.1f} s ({rate:,.0f} rows/s)")
    if found.refused:
        say(
            f"{found.refused:,} of them can't be used and have no predictions: see {found.rejected}"
        )


def _engine(folder: Path) -> "RayEngine":
    from emm.export.on_ray import RayEngine

    return RayEngine(folder)
