"""Exported models as files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper

from emm.core.errors import ModelFileError
from emm.export.columns import ENCODED_SPARSE
from emm.export.feed import feed
from emm.export.graph import build_model, model_signature
from emm.export.write import session, write_model
from emm.predict.encoder import Encoder
from tests.export.encoders import boosted
from tests.export.small import raw_rows, small_encoder

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return small_encoder()


@pytest.fixture(scope="module")
def model(encoder: Encoder) -> Any:
    return build_model(boosted(encoder), encoder.schema.tasks, encoder)


def outputs(path: Path, encoder: Encoder) -> list[np.ndarray]:
    inputs = model_signature(encoder.schema.tasks, encoder).inputs
    found: list[np.ndarray] = session(path).run(None, feed(raw_rows(encoder), inputs))
    return found


def test_a_small_model_is_one_file(model: Any, tmp_path: Path) -> None:
    assert write_model(model, tmp_path) == ("model.onnx",)
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx"]


def test_the_same_model_has_the_same_bytes(encoder: Encoder, model: Any, tmp_path: Path) -> None:
    write_model(model, tmp_path)
    first = (tmp_path / "model.onnx").read_bytes()
    write_model(build_model(boosted(encoder), encoder.schema.tasks, encoder), tmp_path)
    assert (tmp_path / "model.onnx").read_bytes() == first


def test_large_tensors_are_in_a_file_of_their_own(encoder: Encoder, tmp_path: Path) -> None:
    model = build_model(boosted(encoder), encoder.schema.tasks, encoder)
    table = np.arange(5000, dtype=np.float32)
    model.graph.initializer.append(numpy_helper.from_array(table, "table"))
    plain, split = tmp_path / "plain", tmp_path / "split"
    plain.mkdir()
    split.mkdir()
    write_model(model, plain)
    assert write_model(model, split, largest=10_000) == ("model.onnx", "model.onnx.data")
    assert (split / "model.onnx.data").stat().st_size >= table.nbytes
    for left, right in zip(
        outputs(plain / "model.onnx", encoder), outputs(split / "model.onnx", encoder), strict=True
    ):
        np.testing.assert_array_equal(left, right)


def test_tensors_inside_can_be_asked_for(model: Any, encoder: Encoder, tmp_path: Path) -> None:
    write_model(model, tmp_path)
    asked = session(tmp_path / "model.onnx", [ENCODED_SPARSE])
    assert ENCODED_SPARSE in [each.name for each in asked.get_outputs()]
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx"]


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ModelFileError, match="onnxruntime can't load"):
        session(path)
