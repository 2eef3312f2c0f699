"""A project's folder with the data, the model and the scores of `tests.export.mall`."""

import shutil
from pathlib import Path

from tests.configuration import CENSUS, copy_conf
from tests.export.mall import mall

MODEL = "gbdt"


def mall_project(folder: Path, scratch: Path) -> Path:
    """Write the project to ``folder``, without the rows of test; returns its params.yaml."""
    row = mall(scratch)
    params = copy_conf(folder)
    data = folder / "data"
    shutil.copytree(row.processed, data / "processed" / CENSUS)
    (data / "processed" / CENSUS / "test.parquet").unlink()
    shutil.copytree(row.models.parent, data / "models" / CENSUS / "paper" / MODEL)
    shutil.copytree(row.evaluation, data / "evaluation" / CENSUS / "paper" / MODEL)
    return params
