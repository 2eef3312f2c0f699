"""`emm pool add`: what it says of a model, what it writes, and what it refuses."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from emm.commands.pool_add import add_model
from emm.commands.pool_entry import Request
from emm.config.project import load_project
from emm.core.errors import DataError, EmmError, ModelFileError, ParamsError
from emm.fusion.settings import FusionSettings
from tests.configuration import CENSUS, edit
from tests.pool.census_project import make_project
from tests.pool.models import NUMBERS, write_network, write_trees

TREES = Path("pool/risk.txt")
NETWORK = Path("pool/network.onnx")
SCALED = ("scaled[0]=age / 50", "scaled[1]=weeks_worked / 50")


def add(file: Path, *, write: bool = False, **options: Any) -> str:
    request = replace(Request(file, CENSUS, "income"), **options)
    return "\n".join(add_model(load_project(), request, write=write))


def contents(root: Path) -> dict[str, str]:
    files = [*root.glob("conf/*/*.yaml"), root / "params.yaml", root / "dvc.yaml"]
    return {str(file): file.read_text() for file in files}


@pytest.fixture
def trees(project: Path) -> Path:
    write_trees(project / TREES)
    return project


def test_trees_on_raw_columns_are_recognised_checked_and_printed(trees: Path) -> None:
    before = contents(trees)
    said = add(TREES)
    assert "pool/risk.txt: trees of LightGBM of income, which reads 2 raw columns" in said
    assert "by their names: age, weeks_worked" in said
    assert "joins as an opaque member: " in said
    assert "reference: 100 rows, largest difference" in said
    assert "validation: its columns aren't kept yet" in said
    assert said.endswith(
        "fusion:\n  pool:\n    risk:\n      task: income\n      model: pool/risk.txt\n"
        "      columns: raw\n      reference: pool/risk.reference.csv"
    )
    assert contents(trees) == before


def test_what_is_written_is_in_order_and_complete(trees: Path) -> None:
    said = add(TREES, write=True)
    project = load_project()
    assert project.active.outside == ("risk",)
    assert project.data(CENSUS).section("preprocess")["raw"] == NUMBERS
    entry = project.recipe(CENSUS).read("fusion", FusionSettings).pool["risk"]
    assert (entry.task, entry.model, entry.columns) == ("income", "pool/risk.txt", "raw")
    assert "data/scores/${item}/${recipe}/risk" in (trees / "dvc.yaml").read_text()
    assert said.endswith("next: dvc repro")


def test_a_network_says_where_it_can_be_cut(project: Path) -> None:
    write_network(project / NETWORK)
    said = add(NETWORK, columns=SCALED)
    assert "scaled[0] reads age / 50" in said
    assert "joins as layers, and can be cut after Linear [2] -> [8]; Linear [8] -> [8]" in said
    assert "columns:\n        scaled[0]: age / 50\n" in said


def test_a_network_without_a_layer_in_common_says_that_it_will_be_opaque(project: Path) -> None:
    write_network(project / NETWORK, (7, 5))
    said = add(NETWORK, columns=SCALED)
    assert "joins as an opaque member: none of its layers is like one of the pool's" in said
    recipe = project / f"conf/{CENSUS}/paper.yaml"
    edit(recipe, lambda tree: tree["fusion"].update(adapter="linear"))
    assert "joins as layers, and can be cut after Linear [2] -> [7]" in add(NETWORK, columns=SCALED)


def test_columns_that_are_kept_give_the_auc_on_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_project(tmp_path, *NUMBERS)
    write_trees(tmp_path / TREES)
    said = add(TREES)
    booster = lightgbm.Booster(model_file=TREES)
    raw = pl.read_parquet(tmp_path / f"data/processed/{CENSUS}/raw/validation.parquet")
    encoded = pl.read_parquet(tmp_path / f"data/processed/{CENSUS}/validation.parquet")
    expected = roc_auc_score(encoded["label:income"], booster.predict(raw.to_numpy()))
    assert f"validation: AUC {expected:.4f}" in said
    assert "warning" not in said


def test_inputs_without_a_column_name_the_nearest(project: Path) -> None:
    write_trees(project / TREES, ["age", "weeks_work"])
    with pytest.raises(ParamsError, match="'weeks_work', nearest 'weeks_worked'"):
        add(TREES)
    assert "weeks_work reads weeks_worked" in add(
        TREES, columns=("weeks_work=weeks_worked",), reference="none"
    )


def test_a_model_that_predicts_something_else_is_refused_and_nothing_is_written(
    trees: Path,
) -> None:
    file = trees / "pool/risk.reference.csv"
    table = pl.read_csv(file)
    table.with_columns(pl.col("prediction") * 0.9).write_csv(file)
    before = contents(trees)
    with pytest.raises(ModelFileError, match="doesn't predict here what its original predicts"):
        add(TREES, write=True)
    assert contents(trees) == before


def test_rows_in_other_units_are_refused_before_the_columns_are_kept(trees: Path) -> None:
    file = trees / "pool/risk.reference.csv"
    table = pl.read_csv(file)
    table.with_columns(pl.col("weeks_worked") * 7).write_csv(file)
    with pytest.raises(DataError, match="'weeks_worked' isn't in the raw column's units"):
        add(TREES)


def test_a_model_without_its_predictions_needs_a_word_for_it(trees: Path) -> None:
    (trees / "pool/risk.reference.csv").unlink()
    with pytest.raises(ParamsError, match="has no file of its own predictions"):
        add(TREES)
    said = add(TREES, reference="none")
    assert "unchecked: there is no reference" in said
    assert said.endswith("reference: none")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "task": ({"task": "incom"}, "did you mean 'income'"),
    "dataset": ({"dataset": "census"}, "no dataset is called 'census'"),
    "name of a network": ({"name": "tm-1"}, "the name 'tm-1' is taken"),
    "name with a dot": ({"name": "a.b"}, "letters, digits"),
    "gives": ({"options": {"gives": "odds"}}, "fusion.pool.risk.gives: got 'odds'"),
    "no reason": ({"options": {"tolerance": 1e-4}}, "needs a reason"),
    "factory of a file": ({"options": {"factory": "pool.a:b"}}, "needs no factory"),
    "columns": ({"columns": ("age",)}, "--columns 'age' says nothing about an input"),
    "no such column": ({"columns": ("age=agee",)}, "'agee'"),
    "no such input": ({"columns": ("agee=age",)}, "no input 'agee'"),
    "encoded": ({"columns": ("encoded",)}, "trained on raw values"),
    "reference elsewhere": ({"reference": "other.csv"}, "there is no file other.csv"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_options_that_cannot_be_used(case: str, trees: Path) -> None:
    options, message = REFUSED[case]
    with pytest.raises(EmmError, match=message.replace("[", r"\[")):
        add(TREES, **options)


def test_a_name_is_given_once(trees: Path) -> None:
    add(TREES, write=True)
    with pytest.raises(ParamsError, match="the name 'risk' is taken"):
        add(TREES)
    assert "fusion:\n  pool:\n    again:\n" in add(TREES, name="again")


def test_a_file_outside_the_pool_is_refused(trees: Path) -> None:
    (trees / TREES).rename(trees / "risk.txt")
    with pytest.raises(ParamsError, match=r"risk.txt isn't in the folder pool/[\s\S]*cp risk.txt"):
        add(Path("risk.txt"))


def test_weights_need_the_function_that_builds_the_network(project: Path) -> None:
    (project / "pool/risk.safetensors").write_bytes(b"")
    with pytest.raises(ParamsError, match="without its structure"):
        add(Path("pool/risk.safetensors"))


def test_the_data_must_be_preprocessed(trees: Path) -> None:
    (trees / f"data/processed/{CENSUS}/schema.json").unlink()
    with pytest.raises(DataError, match="dvc repro preprocess"):
        add(TREES)
