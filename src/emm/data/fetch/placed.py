"""Raw files that a person has to put in place, as no program may fetch them."""

from pathlib import Path

from emm.core.errors import DownloadError
from emm.data.datasets.source import Source

PLACED = Path("placed")


def not_placed(source: Source, folder: Path, dataset: str, local: Path, got: str) -> DownloadError:
    """The files can't be taken from ``local``: how to get them, and where to put them.

    ``folder``: where they are looked for if ``<dataset>.source.path`` names no other place.
    """
    get = f"get them from {source.homepage} ({source.by_hand}), " if source.homepage else ""
    return DownloadError(
        f"{dataset} isn't complete: its files have to be put in place by hand",
        where=local,
        got=got,
        expected=f"these, plain or .gz, or an archive with them: {contents(source)}",
        next_step=f"{get}put them into {folder}/, or set {dataset}.source.path in params.yaml to "
        "their folder, file or archive, then run: dvc repro",
    )


def contents(source: Source) -> str:
    """The source's files, and their sizes where these are known."""
    return ", ".join(map(str, source.files))
