"""`emm check --fix` for outside models: their names in params.yaml, their columns in data.yaml."""

import json
from pathlib import Path

import pytest

from emm.config.project import load_project
from emm.data.prepare.settings import read_preprocess, read_tasks
from emm_dvc.fix_outside import fix_outside
from tests.configuration import CENSUS, copy_conf, edit
from tests.outside.people import NUMBERS, TEXTS
from tests.outside.shop import FEATURES, export, pipeline, processed_shop

pytest.importorskip("onnxruntime")

SHOP = """\
# Our shop.
dataset: shop
source: {path: mine}
tasks: [rich]   # who buys
custom:
  tasks: {rich: rich}
  split: {by: random, validation: 0.1, test: 0.1}
preprocess:
  seed: 0       # of the split
  keep: []
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sklearn.linear_model import LogisticRegression

    path = tmp_path_factory.mktemp("pool") / "risk.onnx"
    return export(pipeline(LogisticRegression(max_iter=300), "rich"), path)


@pytest.fixture
def params(tmp_path: Path, model: Path) -> Path:
    """A project with one dataset of its own, whose recipe names an outside model."""
    file = copy_conf(tmp_path)
    text = file.read_text().replace("datasets: [census-income]", "datasets: [shop]")
    file.write_text(text.replace("outside: []", "outside: [old]"))
    folder = tmp_path / "conf/shop"
    folder.mkdir()
    (folder / "data.yaml").write_text(SHOP)
    paper = (tmp_path / f"conf/{CENSUS}/paper.yaml").read_text()
    (folder / "paper.yaml").write_text(paper)

    def name(tree: dict[str, dict[str, object]]) -> None:
        tree["fusion"]["pool"] = {
            "risk": {
                "task": "rich",
                "model": str(model),
                "output": "probabilities[:, 1]",
                "reference": "none",
            }
        }

    edit(folder / "paper.yaml", name)
    return file


def raw(params: Path) -> tuple[str, ...]:
    data = load_project(params).data("shop")
    return read_preprocess(data, read_tasks(data)).raw


def test_names_are_written_before_the_data_is_preprocessed(params: Path) -> None:
    before = params.read_text().replace("outside: [old]", "outside: [risk]")
    assert fix_outside(load_project(params)) == ["params.yaml: outside: [risk]"]
    after = params.read_text()  # with the comment at the same column
    assert [line.split() for line in after.splitlines()] == [
        line.split() for line in before.splitlines()
    ]
    assert raw(params) == ()
    assert fix_outside(load_project(params)) == []


def test_columns_are_added_once_the_data_says_which_there_are(params: Path) -> None:
    folder = params.parent / "data/processed"
    folder.mkdir(parents=True)
    processed_shop(folder, ()).rename(folder / "shop")
    kinds = json.loads((folder / "shop/raw/columns.json").read_text())
    assert {*FEATURES} <= {*kinds}
    (params.parent / "conf/shop/data.yaml").write_text(
        SHOP.replace("keep: []", "keep: []\n  raw: [weeks]   # for risk")
    )
    changes = fix_outside(load_project(params))
    assert changes[1] == "conf/shop/data.yaml: preprocess.raw + age, gains, job, state"
    assert {*raw(params)} == {*NUMBERS, *TEXTS}
    text = (params.parent / "conf/shop/data.yaml").read_text()
    for line in ("# Our shop.", "tasks: [rich]   # who buys", "  seed: 0       # of the split"):
        assert line in text
    assert fix_outside(load_project(params)) == []


def test_params_without_the_list_get_it(tmp_path: Path) -> None:
    file = copy_conf(tmp_path)
    lines = [line for line in file.read_text().splitlines() if not line.startswith("outside")]
    file.write_text("\n".join(lines) + "\n")
    assert fix_outside(load_project(file)) == ["params.yaml: outside: []"]
    assert load_project(file).active.outside == ()
    assert "outside: []" in file.read_text()
