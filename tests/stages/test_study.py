"""The scripts of a study's tables and of its page, on a small study."""

import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import torch
import yaml
from safetensors.torch import save_file

from emm.core.files import write_json
from emm.data.tables.schema import FORMAT, SPLITS, Schema, Split, write_schema

ROOT = Path(__file__).parents[2]
ROWS, SEEDS, MODELS = 90, [1, 2], ("mmoe", "emm")
TABLES = {
    name: {
        "title": name.title(),
        "dataset": "shop",
        "recipe": recipe,
        "rows": [*MODELS],
        "reference": "emm",
    }
    for name, recipe in (("tuned", "tuned"), ("as-published", "paper"))
}


def write_data(study: Path) -> None:
    split = Split(ROWS, {"click": 1 / 3})
    schema = Schema(
        format=FORMAT,
        dataset="shop",
        title="Shop",
        licence="",
        origin="here",
        tasks=("click",),
        key=None,
        weight=None,
        dense=(),
        sparse=(),
        splits=dict.fromkeys(SPLITS, split),
        vocabularies={},
    )
    write_schema(schema, study / "data/processed/shop/schema.json")
    seen = {"split": ["validation"] * ROWS + ["test"] * ROWS, "seen": [True, False] * ROWS}
    (study / "data/checks").mkdir()
    pl.DataFrame(seen).write_parquet(study / "data/checks/shop-seen.parquet")


def write_evaluation(folder: Path) -> None:
    scores = {"auc": [0.9, 0.8], "logloss": [0.2, 0.2], "ece": [0.1, 0.1]}
    metrics = {"model": folder.name, "seeds": SEEDS, "parameters": 9, "operations": 18}
    write_json(folder / "metrics.json", {**metrics, "tasks": {"click": scores}})
    epoch = {"epoch": 1, "train_loss": 0.5, "auc": {"click": 0.9}}
    runs = [{"seed": s, "task": None, "best_epoch": 1, "epochs": [epoch]} for s in SEEDS]
    write_json(folder / "history.json", {"runs": runs})
    labels = (torch.arange(ROWS)[:, None] % 3 == 0).to(torch.uint8)
    generator = torch.Generator().manual_seed(len(folder.name))
    logits = labels + torch.randn(len(SEEDS), ROWS, 1, generator=generator)
    save_file({"logits": logits, "labels": labels}, folder / "predictions.safetensors")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    write_data(tmp_path / "study")
    for model in MODELS:
        write_evaluation(tmp_path / "study/data/evaluation/shop/tuned" / model)
    (tmp_path / "study/tables.yaml").write_text(yaml.safe_dump({"tables": TABLES}))
    return tmp_path / "study"


def run(study: Path, script: str, *arguments: str) -> tuple[int, str]:
    """Run a script in the folder above ``study``; return its exit code and what it says."""
    command = [sys.executable, str(ROOT / "stages" / script), *arguments]
    found = subprocess.run(command, cwd=study.parent, capture_output=True, text=True)
    return found.returncode, found.stderr


def test_a_table_needs_its_own_evaluations_and_the_page_needs_none(study: Path) -> None:
    assert run(study, "table_study.py", "tuned") == (0, "")
    files = [path for name in ("results", "metrics") for path in (study / name).rglob("*.json")]
    found = sorted(str(path.relative_to(study)) for path in files)
    assert found == ["metrics/tuned/emm.json", "metrics/tuned/mmoe.json", "results/tuned.json"]
    shutil.rmtree(study / "data")
    assert run(study, "report_study.py") == (0, "")
    text = (study / "report.md").read_text()
    assert "| MMoE " in text
    assert "**As-Published**: not run with the current code." in text
    assert "- `shop`: 45 of 90 test rows (50.0 %)" in text


def test_an_unknown_table_is_named_with_the_known_ones(study: Path) -> None:
    code, message = run(study, "table_study.py", "tunned")
    assert code == 2
    assert "did you mean 'tuned'?" in message
    assert not (study / "results").exists()
