"""`emm export`: write a row of the table as a folder that runs without this project."""

from collections.abc import Iterator
from pathlib import Path

from emm.config.project import PARAMS_FILE, load_project
from emm.core.errors import ParamsError
from emm.core.files import atomic_folder
from emm.core.paths import parts_of_row
from emm.export.bundle import write_bundle
from emm.export.row import row_of
from emm.export.said import sentences
from emm.export.signature import SIGNATURE
from emm.fusion.settings import FusionSettings
from emm.outside.factories import trusting
from emm.training.devices import use_device
from emm.training.settings import TrainingSettings


def export_row(
    name: str, out: Path, seed: int | None = None, file: Path = PARAMS_FILE
) -> Iterator[str]:
    """Export ``name``, DATASET/RECIPE/MODEL, or DATASET/MODEL of the active recipe, to ``out``.

    Yields what a user should read. Raises ParamsError for names and folders that can't be used.
    """
    parts = parts_of_row(name)
    if parts is None:
        raise ParamsError(
            f"{name!r} names no trained model",
            got=name,
            expected="DATASET/RECIPE/MODEL, such as census-income/paper/emm",
            next_step="params.yaml names datasets and models, data/models/ has the trained ones",
        )
    dataset, recipe, model = parts
    _require_free(out)
    project = load_project(file, recipe)
    settings = project.recipe(dataset)
    training = settings.read("training", TrainingSettings)
    fusion = settings.read("fusion", FusionSettings)
    use_device("cpu", training.threads, portable=training.portable)
    row = row_of(project, dataset, model, training.seeds[0] if seed is None else seed)
    with atomic_folder(out) as folder, trusting(fusion.factories):
        exported = write_bundle(folder, row)
    yield from sentences(row.name, exported)
    if not row.evaluation.exists():
        yield f"{row.name} has not been evaluated: its README.md states no scores"
    yield f"written: {out}"


def _require_free(out: Path) -> None:
    """A folder that is replaced is an earlier export, or empty."""
    if out.is_dir() and ((out / SIGNATURE).is_file() or not any(out.iterdir())):
        return
    if out.exists() or out.is_symlink():
        raise ParamsError(
            f"{out} exists, and isn't an earlier export",
            where=out,
            expected="a folder that doesn't exist, that is empty, or that an export wrote",
            next_step="name another folder",
        )
