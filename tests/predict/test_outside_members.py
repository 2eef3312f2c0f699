"""Fused models with members from outside, which score new raw rows by their files."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from emm.core.errors import ModelFileError
from emm.evaluation.evaluate import evaluate
from emm.outside.factories import trusting
from emm.outside.settings import OutsideModel
from emm.predict.outside import OutsidePool
from emm.predict.predictor import Predictor
from emm.predict.stored import StoredModel, open_stored
from tests.fusion.test_score_to_fusion import NETWORK, fused, processed_of, shop

__all__ = ["shop"]
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")

VARIANTS = ("ensemble", "aligned")


@pytest.fixture(scope="module")
def folder(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fused models of all members: opaque ones of three kinds of tasks, and one that is cut."""
    out = tmp_path_factory.mktemp("outside")
    for variant in VARIANTS:
        fused(shop, out / variant, {"variant": variant})
    return out


def entries_of(shop: Path) -> dict[str, OutsideModel]:
    entries = json.loads((shop / "entries.json").read_text())
    return {name: OutsideModel(**entry) for name, entry in entries.items()}


def opened(shop: Path, model: Path, **changes: OutsideModel) -> StoredModel:
    pool = OutsidePool(entries_of(shop) | changes, shop / "scores", "conf: fusion.pool")
    with trusting([NETWORK]):
        return open_stored(model / "seed-0", processed_of(shop), torch.device("cpu"), pool)


@pytest.mark.parametrize("variant", VARIANTS)
def test_raw_rows_have_the_logits_of_evaluate(
    shop: Path, folder: Path, tmp_path: Path, variant: str
) -> None:
    settings = {"bins": 5, "device": "cpu", "threads": 1, "deterministic": False}
    with trusting([NETWORK]):
        evaluate(
            folder / variant, processed_of(shop), tmp_path, name=variant, seeds=(0,), **settings
        )
    expected = load_file(tmp_path / "predictions.safetensors")["logits"][0].numpy()
    predictor = Predictor(opened(shop, folder / variant))
    rows = pl.read_parquet(processed_of(shop) / "raw/test.parquet")
    np.testing.assert_array_equal(predictor.logits(rows).to_numpy(), expected)


def test_columns_that_only_members_read_are_wanted(shop: Path, folder: Path) -> None:
    model = opened(shop, folder / "ensemble")
    assert {*model.raw} == {*pl.read_parquet_schema(processed_of(shop) / "raw/test.parquet")}


def test_a_member_whose_file_changed_is_refused(shop: Path, folder: Path, tmp_path: Path) -> None:
    entry = entries_of(shop)["risk"]
    other = tmp_path / "risk.onnx"
    other.write_bytes(Path(entries_of(shop)["deep"].path).read_bytes())
    changed = OutsideModel(**{**vars(entry), "model": str(other)})
    with pytest.raises(ModelFileError, match="risk"):
        opened(shop, folder / "ensemble", risk=changed)


def test_a_member_without_an_entry_is_refused(shop: Path, folder: Path) -> None:
    pool = OutsidePool({}, shop / "scores", "conf: fusion.pool")
    with (
        trusting([NETWORK]),
        pytest.raises(ModelFileError, match="risk isn't the model that was fused"),
    ):
        open_stored(folder / "ensemble/seed-0", processed_of(shop), torch.device("cpu"), pool)
