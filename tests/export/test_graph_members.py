"""Fused models with members from outside as one graph."""

from pathlib import Path

import polars as pl
import pytest

from emm.export.graph import build_model
from emm.export.verify import verify
from emm.export.write import write_model
from tests.fusion.test_score_to_fusion import processed_of, shop
from tests.predict.test_outside_members import folder, opened

__all__ = ["folder", "shop"]
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


def test_opaque_and_cut_members_are_composed_in(shop: Path, folder: Path, tmp_path: Path) -> None:
    stored = opened(shop, folder / "ensemble")
    (model,), encoder = stored.networks, stored.encoder
    tasks = encoder.schema.tasks
    rows = pl.read_parquet(processed_of(shop) / "raw/test.parquet")
    write_model(build_model(model, tasks, encoder, outside=stored.scorers), tmp_path)
    found = verify(tmp_path / "model.onnx", model, tasks, encoder, rows, outside=stored.scorers)
    assert found.rows == len(rows)
