from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from emm.core.errors import ModelFileError
from emm.outside.onnx import file, read_onnx
from tests.outside.onnx.single import model_of, network, save


def refused(path: Path) -> str:
    with pytest.raises(ModelFileError) as error:
        read_onnx(path)
    return str(error.value)


def with_external_data(folder: Path, location: str) -> Path:
    """A network whose weights are in the file weights.bin of ``folder``; then the name is changed
    to ``location``."""
    path = folder / "model.onnx"
    kept = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0}
    onnx.save_model(network(), str(path), **kept)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = location if entry.key == "location" else entry.value
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_may_be_in_a_file_of_the_same_folder(tmp_path: Path) -> None:
    assert read_onnx(with_external_data(tmp_path, "weights.bin")).width == 1


@pytest.mark.parametrize("place", ["../weights.bin", "/etc/passwd", "a/../../weights.bin"])
def test_no_file_outside_the_folder_is_opened(place: str, tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "weights.bin").write_bytes(bytes(10_000))
    assert "outside its folder" in refused(with_external_data(tmp_path / "inside", place))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    path = with_external_data(tmp_path / "inside", "link.bin")
    (tmp_path / "inside" / "weights.bin").rename(tmp_path / "weights.bin")
    (tmp_path / "inside" / "link.bin").symlink_to(tmp_path / "weights.bin")
    assert "outside its folder" in refused(path)


def test_missing_weights_are_said(tmp_path: Path) -> None:
    path = with_external_data(tmp_path, "weights.bin")
    (tmp_path / "weights.bin").unlink()
    assert "can't be read" in refused(path)


def test_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(network(), tmp_path / "model.onnx")
    monkeypatch.setattr(file, "MAX_NODES", 3)
    assert "too many operators" in refused(path)
    monkeypatch.setattr(file, "MAX_BYTES", 100)
    assert "too large" in refused(path)


def test_custom_operators_are_refused_by_name(tmp_path: Path) -> None:
    node = helper.make_node("Mine", ["x"], ["y"], domain="my.company")
    found = refused(save(model_of([node]), tmp_path / "model.onnx"))
    assert "Mine" in found
    assert "my.company" in found


def test_custom_operators_in_inner_graphs_are_refused(tmp_path: Path) -> None:
    inner = helper.make_graph(
        [helper.make_node("Mine", ["x"], ["out"], domain="my.company")],
        "inner",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
    )
    node = helper.make_node("If", ["yes"], ["y"], then_branch=inner, else_branch=inner)
    model = model_of([node], {"yes": np.array(True)})
    assert "Mine" in refused(save(model, tmp_path / "model.onnx"))


@pytest.mark.parametrize("content", [b"", b"tree\nversion=v4\n", b"\x80\x04pickle", bytes(64)])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert str(path) in refused(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    assert "can't be read" in refused(tmp_path / "model.onnx")


def test_functions_of_the_file_are_expanded(tmp_path: Path) -> None:
    twice = helper.make_function(
        "here",
        "Twice",
        ["a"],
        ["b"],
        [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 20)],
    )
    model: Any = model_of(
        [helper.make_node("Twice", ["x"], ["y"], domain="here")],
        inputs={"x": (TensorProto.FLOAT, ["rows", 1])},
    )
    model.functions.append(twice)
    found = read_onnx(save(model, tmp_path / "model.onnx"))
    assert next(node.op for node in found.graph.nodes) == "Add"
