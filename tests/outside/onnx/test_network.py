"""Layers from their description."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from emm.core.errors import ModelFileError
from emm.outside.onnx import CutOnnx, OnnxLayers, cut, read_onnx
from tests.outside.onnx.single import network, save


@pytest.fixture
def found(tmp_path: Path) -> CutOnnx:
    joined = cut(read_onnx(save(network((4, 8, 8, 1)), tmp_path / "model.onnx")))
    assert isinstance(joined, CutOnnx)
    return joined


def test_layers_are_rebuilt_from_json_and_weights(found: CutOnnx) -> None:
    rebuilt = OnnxLayers(json.loads(json.dumps(found.description)))
    rebuilt.load_state_dict(found.weights)
    x = torch.randn(5, 8)
    assert rebuilt.scored_width == 8
    assert torch.equal(rebuilt(x), found.build()(x))


def test_weights_learn(found: CutOnnx) -> None:
    layers = found.build()
    layers(torch.randn(5, 8)).sum().backward()
    assert set(found.weights) == {name for name, _ in layers.named_parameters()}
    assert all(each.grad is not None for each in layers.parameters())


def damaged(description: dict[str, Any], change: str) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(description))
    layer = copy["layers"][3]
    step = layer["steps"][0]
    if change == "operator":
        step["op"] = "__import__"
    elif change == "name":
        step["inputs"][0] = "forward"
    elif change == "constant":
        step["inputs"][0] = {"values": [1, 2], "shape": [3], "dtype": "int64"}
    elif change == "size":
        layer["weights"]["w0"] = [1 << 20, 1 << 20]
    elif change == "weight":
        layer["weights"]["forward"] = [1]
    elif change == "output":
        layer["output"] = "t99"
    else:
        del copy["width"]
    return copy


@pytest.mark.parametrize(
    "change", ["operator", "name", "constant", "size", "weight", "output", "width"]
)
def test_a_damaged_description_is_refused(found: CutOnnx, change: str) -> None:
    with pytest.raises(ModelFileError, match="damaged"):
        OnnxLayers(damaged(found.description, change))


def test_no_library_of_onnx_is_needed_to_rebuild_layers() -> None:
    """Fused models are used where onnx isn't installed."""
    code = (
        "import sys\nfrom emm.outside.onnx import OnnxLayers\n"
        "assert not {'onnx', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
