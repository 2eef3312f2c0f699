"""The tables of examples/ become results by their data.yaml only."""

import csv
import json
import math
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from emm.commands.check import check_project
from emm.config.project import load_project
from emm.data.tables.schema import SPLITS, Schema, load_schema
from emm_dvc.fix_keys import fix_keys
from emm_dvc.graph import read_stages
from stages.check_data import main as check_data
from stages.decompose import main as decompose
from stages.download import main as download
from stages.evaluate import main as evaluate
from stages.preprocess import main as preprocess
from stages.report import main as report
from stages.train import main as train
from tests.configuration import ROOT, Tree, copy_conf, edit

REPORTED = {
    "missing-labels": "each task is trained and scored on its labelled rows",
    "classes": "exchanged",
    "quoted-text": "| `wait_minutes`",
    "user-funnel": "CTCVR",
}
NAMES = tuple(REPORTED)
FUNNEL_MODELS = ("esmm", "escm2")

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with every example as a dataset, downloaded, preprocessed and checked."""
    root = tmp_path_factory.mktemp("examples")
    params = copy_conf(root)
    shutil.copytree(ROOT / "examples", root / "examples")
    edit(params, lambda tree: tree.update(datasets=[*NAMES], recipe="default"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for name in NAMES:
            (root / "conf" / name).mkdir()
            shutil.copy(f"examples/{name}/data.yaml", f"conf/{name}")
        complete(root)
        for name in NAMES:
            download(name)
            preprocess(name)
            check_data(name)
    return root


def complete(root: Path) -> None:
    """Do what `emm check --fix` does."""
    fix_keys(read_stages(ROOT / "dvc.yaml"), load_project(root / "params.yaml"))


def table(name: str, separator: str = ",") -> Rows:
    (path,) = (ROOT / "examples" / name).glob("*.csv")
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=separator))


def schema_of(project: Path, name: str) -> Schema:
    return load_schema(project / f"data/processed/{name}/schema.json")


def both(project: Path, name: str) -> tuple[Schema, pl.DataFrame]:
    """The schema of an example, and all of its processed rows."""
    folder = project / f"data/processed/{name}"
    rows = pl.concat([pl.read_parquet(folder / f"{split}.parquet") for split in SPLITS])
    return schema_of(project, name), rows


def test_labels_are_known_for_the_rows_that_have_them(project: Path) -> None:
    rows = table("missing-labels")
    schema, found = both(project, "missing-labels")
    assert len(found) == sum(bool(row["defaulted"] or row["fraud"]) for row in rows)
    for task in ("defaulted", "fraud"):
        known = Counter(row[task] for row in rows if row[task])
        assert sum(split.labelled_rows(task) for split in schema.splits.values()) == known.total()
        assert found[f"label:{task}"].sum() == known["1"]


def test_classes_are_numbered_by_name(project: Path) -> None:
    schema, found = both(project, "classes")
    assert schema.classes == {"outcome": ("exchanged", "kept", "returned")}
    assert schema.kind("late") == "binary"
    rows = table("classes")
    wanted = Counter(schema.classes["outcome"].index(row["outcome"]) for row in rows)
    assert Counter(found["label:outcome"].to_list()) == wanted
    assert found["label:late"].sum() == sum(row["late"] == "yes" for row in rows)


def test_line_breaks_within_quotes_are_no_rows(project: Path) -> None:
    rows = table("quoted-text", ";")
    schema, found = both(project, "quoted-text")
    assert len(found) == len(rows)
    assert found["label:escalated"].sum() == sum(row["escalated"] == "Y" for row in rows)
    spent = next(column for column in schema.dense if column.name == "spent")
    amounts = [float(row["spent"].replace(",", ".")) for row in rows]
    assert min(amounts) <= spent.minimum < spent.maximum <= max(amounts)
    topics = pl.read_parquet(project / "data/processed/quoted-text/vocabularies.parquet")
    assert "other; unclear" in topics["value"].to_list()


def test_a_purchase_is_missing_without_a_click(project: Path) -> None:
    schema, found = both(project, "user-funnel")
    assert schema.funnel == ("clicked", "bought")
    assert found.filter(pl.col("label:clicked") == 0)["label:bought"].null_count() == sum(
        row["clicked"] == "0" for row in table("user-funnel")
    )
    assert found.filter(pl.col("label:clicked") == 1)["label:bought"].null_count() == 0
    checks = json.loads((project / "data/checks/user-funnel.json").read_text())
    assert not checks["warnings"]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs_to_its_report(
    name: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(project, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    more = FUNNEL_MODELS if name == "user-funnel" else ()
    edit(tmp_path / "params.yaml", lambda tree: activate(tree, name, more))
    complete(tmp_path)
    edit(tmp_path / f"conf/{name}/default.yaml", make_small)
    loaded = load_project(tmp_path / "params.yaml")
    check_project(loaded)
    active = loaded.active
    for model in (*active.trained, *active.trees, *active.baselines):
        train(name, model)
    decompose(name)
    for model in active.fused:
        train(name, model)
    for model in active.table:
        evaluate(name, model)
    report(name)
    assert REPORTED[name] in (tmp_path / f"reports/{name}.md").read_text()
    for model in active.table:
        found = json.loads((tmp_path / f"metrics/{name}/default/{model}.json").read_text())
        assert all(math.isfinite(found[task]["auc"]) for task in schema_of(project, name).tasks)


def activate(params: Tree, name: str, more: tuple[str, ...]) -> None:
    params.update(
        datasets=[name],
        baselines=["shared_bottom", "mmoe", *more],
        table=["tm-1", "tm-2", "gbdt", "shared_bottom", "mmoe", *more, "ensemble", "emm"],
    )


def make_small(recipe: dict[str, Any]) -> None:
    recipe["training"].update(max_epochs=1, device="cpu")
    recipe["fusion"].update(folds=2)
    recipe["train"]["gbdt"] = {"max_iterations": 4, "max_leaf_nodes": 4}
