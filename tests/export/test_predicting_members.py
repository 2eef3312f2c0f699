"""An exported fused model with members from outside predicts raw rows as the model itself."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import emm
from emm.predict.predictor import Predictor
from tests.export.test_bundle_members import fused_bundle
from tests.fusion.test_score_to_fusion import processed_of, shop
from tests.predict.test_outside_members import folder, opened

__all__ = ["folder", "fused_bundle", "shop"]
pytest.importorskip("onnxruntime")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Stochastic Optimizer")]


def test_raw_rows_have_its_logits(shop: Path, folder: Path, fused_bundle: Path) -> None:
    rows = pl.read_parquet(processed_of(shop) / "raw/test.parquet")
    expected = Predictor(opened(shop, folder / "ensemble")).logits(rows)
    found = emm.load(fused_bundle).logits(rows)
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=0, atol=1e-4)
