"""The scripts of the study of many tables: a generated table, its truth, and the page."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from emm.data.datasets.generated import GENERATED
from emm.report.study_files import results_file, write_stored
from tests.report.many import stored, table

ROOT = Path(__file__).parents[2]
TASKS = ("churns", "cheats")
NAME = "generated-apart"


def run(folder: Path, script: str, *arguments: str) -> tuple[int, str]:
    """Run a script in ``folder``; return its exit code and what it says."""
    command = [sys.executable, str(ROOT / "stages" / script), *arguments]
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return found.returncode, found.stderr


def test_a_generated_table_becomes_a_dataset_whose_truth_is_scored(tmp_path: Path) -> None:
    conf, params = tmp_path / f"conf/{NAME}", ("--params", "params.yaml")
    conf.mkdir(parents=True)
    given = yaml.safe_load((ROOT / f"study/tables/conf/{NAME}/data.yaml").read_text())
    given["source"]["path"] = f"drawn/{NAME}"
    (conf / "data.yaml").write_text(yaml.safe_dump(given))
    (tmp_path / "params.yaml").write_text((ROOT / "study/tables/params.yaml").read_text())
    assert run(tmp_path, "generate.py", NAME, "drawn")[0] == 0
    assert pl.read_csv(tmp_path / f"drawn/{NAME}/table.csv").height == GENERATED[NAME]().height
    for script in ("download.py", "preprocess.py"):
        assert run(tmp_path, script, NAME, *params)[0] == 0
    assert run(tmp_path, "truth.py", NAME, "truth", *params) == (0, "")
    truth = json.loads((tmp_path / f"truth/{NAME}.json").read_text())
    assert [*truth] == [*TASKS]
    assert all(0.75 < auc < 0.85 for auc in truth.values())
    schema = json.loads((tmp_path / f"data/processed/{NAME}/schema.json").read_text())
    assert not [name for name in (*schema["dense"], *schema["sparse"]) if "bayes" in name]


def test_an_unknown_table_is_named_with_the_known_ones(tmp_path: Path) -> None:
    code, message = run(tmp_path, "generate.py", "generated-aprt", "drawn")
    assert code == 2
    assert "did you mean 'generated-apart'?" in message


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A study of two tables of the same rows and one of others, of which one wasn't run."""
    root = tmp_path / "study/tables"
    found = {
        name: table(name, {"mmoe": [0.7], "ensemble": [0.8], "emm": [0.9]})
        for name in ("shop", "shop-2", "other")
    }
    settings = {
        name: {
            "title": each.settings.title,
            "dataset": name,
            "recipe": "default",
            "rows": [*each.settings.rows],
            "reference": "emm",
        }
        for name, each in found.items()
    }
    root.mkdir(parents=True)
    (root / "tables.yaml").write_text(yaml.safe_dump({"tables": settings}, sort_keys=False))
    lists = {key: [] for key in ("trained", "baselines", "fused", "table")}
    (root / "params.yaml").write_text(
        yaml.safe_dump({"datasets": [*found], "recipe": "default", **lists})
    )
    for name in found:
        (root / "conf" / name).mkdir(parents=True)
        source = {"dataset": "shop"} if name == "shop-2" else {}
        (root / "conf" / name / "data.yaml").write_text(yaml.safe_dump({"tasks": [], **source}))
        if name != "other":
            write_stored(results_file(root, name), stored(found[name]))
    return root


def test_the_page_needs_results_only(many: Path) -> None:
    assert run(many.parents[1], "report_tables.py") == (0, "")
    page = (many.parent / "tables.md").read_text()
    assert "- **Other**: not run" in page
    assert '"Shop", "Shop-2" have the same rows' in page


def test_all_tables_give_a_figure(many: Path) -> None:
    write_stored(
        results_file(many, "other"),
        stored(table("other", {"mmoe": [0.7], "ensemble": [0.8], "emm": [0.9]})),
    )
    assert run(many.parents[1], "report_tables.py") == (0, "")
    page = (many.parent / "tables.md").read_text()
    assert "Over 2 tables with rows of their own, EMM has the mean rank 1.00 among 3" in page
    assert (many / "report/ranks.svg").is_file()
