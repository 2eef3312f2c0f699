import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from emm.core.errors import DataError
from emm.data.schema import FORMAT, DenseColumn, Schema, SparseColumn, write_schema
from emm.params import load_params
from emm.plan import decomposition_plan

ROOT = Path(__file__).parent.parent
CENSUS = "census-income"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_shows_every_model_and_level_and_where_it_cuts(project: Path) -> None:
    schema = Schema(
        format=FORMAT,
        dataset=CENSUS,
        title="",
        licence="",
        origin="",
        tasks=("income", "never-married"),
        key=None,
        dense=(DenseColumn("x", 0.0, 1.0, 0.5, 0.1, 0, constant=False, quantiles=()),),
        sparse=(SparseColumn("id", 4, 0, constant=False),),
        splits={},
        vocabularies={},
    )
    folder = project / "data/processed" / CENSUS
    folder.mkdir(parents=True)
    write_schema(schema, folder / "schema.json")
    text = io.StringIO()
    Console(width=200, file=text).print(decomposition_plan(load_params(), CENSUS))
    shown = text.getvalue()
    for name in ("tm-1/income", "tm-2/never-married", "level 3", "blocks.2.0 to blocks.2.7"):
        assert name in shown
    assert "front to blocks.0.7" in shown
    assert "Dropout [8] -> [8]" in shown


def test_before_preprocessing_it_names_the_next_step(project: Path) -> None:
    with pytest.raises(DataError, match="dvc repro preprocess"):
        decomposition_plan(load_params(), CENSUS)
