"""Every recipe that conf/ has runs by changing `recipe:` alone: all stages of all active models."""

import json
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from emm.commands.check import check_project
from emm.config.active import Active
from emm.config.files import merged, read_layers
from emm.config.project import load_project
from stages.check_data import main as check_data
from stages.decompose import main as decompose
from stages.evaluate import main as evaluate
from stages.preprocess import main as preprocess
from stages.report import main as report
from stages.train import main as train
from tests.census import write_raw
from tests.configuration import CENSUS, ROOT, Tree, copy_conf, edit

SMALL: Tree = {
    "training": {"seeds": [0], "max_epochs": 1, "device": "cpu"},
    "fusion": {"folds": 2},
    "train": {"gbdt": {"max_iterations": 4, "max_leaf_nodes": 4}},
}


def recipes() -> Iterator[Path]:
    """The recipes of conf/; of those that are equal when they are small, the first."""
    found = [f for f in sorted((ROOT / "conf").glob("*/*.yaml")) if f.parent.name != "omniglot"]
    trees = list[Tree]()
    for file in (file for file in found if file.stem != "data"):
        tree = merged(read_layers(file), SMALL)
        tree["training"].pop("batch_size", None)
        if tree not in trees:
            trees.append(tree)
            yield file


def cases() -> Iterator[Any]:
    """The recipes as parameters; those of Ali-CCP are large."""
    for file in recipes():
        marks = [pytest.mark.slow] if file.parent.name == "ali-ccp" else []
        yield pytest.param(file, id=f"{file.parent.name}-{file.stem}", marks=marks)


@cache
def active() -> Active:
    return load_project(ROOT / "params.yaml").active


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with processed data of Census-Income's format."""
    root = tmp_path_factory.mktemp("census")
    write_raw(root / f"data/raw/{CENSUS}")
    copy_conf(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        preprocess(CENSUS)
        check_data(CENSUS)
    return root / "data"


@pytest.mark.parametrize("file", [*cases()])
def test_a_recipe_runs_from_training_to_the_report(
    file: Path, processed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(processed, "data")
    params = copy_conf(tmp_path)
    params.write_text(params.read_text().replace("recipe: paper", f"recipe: {file.stem}"))
    own = tmp_path / f"conf/{CENSUS}/{file.stem}.yaml"
    shutil.copy(ROOT / file, own)
    check_project(load_project(params))
    edit(own, lambda tree: tree.update(merged(tree, SMALL)))
    groups = active()
    for model in (*groups.trained, *groups.trees, *groups.baselines):
        train(CENSUS, model)
    decompose(CENSUS)
    for model in (*groups.fused, *groups.students):
        train(CENSUS, model)
    for model in groups.table:
        evaluate(CENSUS, model)
    report(CENSUS)
    for model in groups.table:
        found = json.loads(Path(f"metrics/{CENSUS}/{file.stem}/{model}.json").read_text())
        assert 0 < found["income"]["auc"] <= 1
    assert Path(f"reports/{CENSUS}.md").exists()


@pytest.mark.parametrize("recipe", ["paper", "tuned", "default"])
def test_each_recipe_of_the_active_dataset_is_valid_as_it_is(recipe: str, tmp_path: Path) -> None:
    params = copy_conf(tmp_path)
    edit(params, lambda tree: tree.update(recipe=recipe))
    check_project(load_project(params))


def test_without_trained_networks_there_is_nothing_to_decompose(
    processed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(processed, "data")
    edit(copy_conf(tmp_path), lambda tree: tree.update(trained=[], fused=[], table=["gbdt"]))
    check_project(load_project(Path("params.yaml")))
    decompose(CENSUS)
    assert list(Path(f"data/components/{CENSUS}/paper").iterdir()) == []
