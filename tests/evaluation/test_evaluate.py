"""Models of every kind, trained on tiny data, and evaluated as in the pipeline."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from emm.evaluation.evaluate import evaluate
from emm.fusion.decompose import decompose
from emm.fusion.train import train_fused
from emm.metrics.ranking import auc
from emm.training.context import open_context
from tests.fusion.fusing import ALIGNED, settings
from tests.training.tiny import TASKS, fusion, save_processed, train_members, training

FUSED: dict[str, dict[str, Any]] = {
    "aligned": ALIGNED,
    "weights": {**ALIGNED, "merge": False, "constant_gates": True},
    "ensemble": {"variant": "ensemble"},
    "paper": {"variant": "paper", "embedding_dim": 2, "tower": [2]},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluated")
    save_processed(folder / "processed")
    shutil.copy(folder / "processed/validation.parquet", folder / "processed/test.parquet")
    context, how = open_context(folder / "processed", "paper", training()), fusion()
    decompose(folder / "pool", context, *train_members(folder, context, how), how, (0,))
    for name, arguments in FUSED.items():
        train_fused(
            folder / name,
            context,
            name=name,
            components=folder / "pool",
            training=training(),
            fusion=how,
            settings=settings(),
            arguments=arguments,
        )
    return folder


@pytest.mark.parametrize("row", ["narrow", "gbdt", *FUSED])
def test_a_model_is_scored_with_its_size(trained: Path, tmp_path: Path, row: str) -> None:
    evaluate(
        trained / row,
        trained / "processed",
        tmp_path,
        name=row,
        seeds=(0,),
        bins=5,
        device="cpu",
        threads=1,
        deterministic=False,
    )
    found = json.loads((tmp_path / "metrics.json").read_text())
    saved = load_file(tmp_path / "predictions.safetensors")
    for number, task in enumerate(TASKS):
        expected = auc(saved["logits"][0, :, number], saved["labels"][:, number])
        assert found["tasks"][task]["auc"] == [expected]
    assert found["parameters"] > 0
    assert (found["operations"] > 0) == (row != "gbdt")
