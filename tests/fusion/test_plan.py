import io
import shutil
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import yaml
from rich.console import Console

from emm.config import load_params
from emm.core.errors import DataError, DecompositionError, ParamsError
from emm.data.tables.schema import FORMAT, DenseColumn, Schema, SparseColumn, write_schema
from emm.fusion.plan import decomposition_plan

ROOT = Path(__file__).parents[2]
CENSUS = "census-income"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def encoded(project: Path) -> Path:
    """A project whose data has one dense and one sparse column."""
    schema = Schema(
        format=FORMAT,
        dataset=CENSUS,
        title="",
        licence="",
        origin="",
        tasks=("income", "never-married"),
        key=None,
        weight=None,
        dense=(DenseColumn("x", 0.0, 1.0, 0.5, 0.1, 0, constant=False, quantiles=()),),
        sparse=(SparseColumn("id", 4, 0, constant=False),),
        splits={},
        vocabularies={},
    )
    folder = project / "data/processed" / CENSUS
    folder.mkdir(parents=True)
    write_schema(schema, folder / "schema.json")
    return project


def planned(**changes: Any) -> str:
    """The plan of the paper's recipe, with ``changes`` to its sections' keys."""
    path = Path("params.yaml")
    tree = yaml.safe_load(path.read_text())
    tree["recipe"] = "paper"
    for section, keys in changes.items():
        tree[CENSUS]["paper"][section].update(keys)
    path.write_text(yaml.safe_dump(tree))
    text = io.StringIO()
    Console(width=200, file=text).print(decomposition_plan(load_params(), CENSUS))
    return text.getvalue()


def with_blocks(structure: str, blocks: list[list[int]]) -> dict[str, Any]:
    tree = yaml.safe_load(Path("params.yaml").read_text())
    return {structure: {**tree[CENSUS]["paper"]["pretrain"][structure], "blocks": blocks}}


def test_it_shows_every_model_and_level_and_where_it_cuts(encoded: Path) -> None:
    shown = planned()
    for name in ("tm-1/income", "tm-2/never-married", "level 3", "blocks.2.0 to blocks.2.7"):
        assert name in shown
    assert "front to blocks.0.7" in shown
    assert "Dropout [8] -> [8]" in shown


def test_networks_of_other_widths_are_cut_alike_with_an_adapter_alone(encoded: Path) -> None:
    other = with_blocks("tm-2", [[20, 5]])
    with pytest.raises(DecompositionError, match="share no layer"):
        planned(pretrain=other)
    shown = planned(pretrain=other, fusion={"adapter": "linear"})
    assert "tm-2/income" in shown
    assert "level 1" in shown


def test_trees_have_no_layers_to_be_cut(encoded: Path) -> None:
    quiet = {"objective": "binary", "verbosity": -1, "num_threads": 1}
    rows = np.stack([np.arange(100) / 100, np.arange(100) % 4], axis=1)
    data = lightgbm.Dataset(rows, rows[:, 1] > 1, feature_name=["x", "id"], params=quiet)
    lightgbm.train(quiet, data, 2).save_model("trees.txt")
    plain = planned()
    assert planned(fusion={"pool": [{"task": "income", "trees": "trees.txt"}]}) == plain


def test_an_entry_of_the_pool_that_is_no_model_is_an_error(encoded: Path) -> None:
    with pytest.raises(ParamsError, match="neither a network nor trees"):
        planned(fusion={"pool": [{"task": "income"}]})


def test_before_preprocessing_it_names_the_next_step(project: Path) -> None:
    with pytest.raises(DataError, match="dvc repro preprocess"):
        decomposition_plan(load_params(), CENSUS)
