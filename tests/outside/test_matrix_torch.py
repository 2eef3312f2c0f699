"""Real networks of PyTorch and Keras, exported as ONNX, against their own outputs."""

import logging
import warnings
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

from emm.outside.onnx import CutOnnx, OnnxModel, cut, read_onnx
from emm.outside.scorer import Opaque
from tests.outside.fused_onnx import assert_fusible
from tests.outside.networks import NETWORKS, build, rows_for

UNITS = {
    "MLP with batch norm": ["Linear", "Linear", "Linear"],
    "layer norm with GELU": ["Linear", "Linear", "Linear"],
    "residual": [
        "Linear",
        "BatchNormalization+Gemm+Relu+Gemm+Add",
        "BatchNormalization+Gemm+Relu+Gemm+Add",
        "Linear",
    ],
    "DCNv2": ["Gemm+Mul+Add+Gemm+Mul+Add", "Linear", "Linear", "Linear"],
    "TabM": ["Linear", "Linear", "Einsum"],
    "functional forward": ["Linear", "Linear", "Linear"],
    "embedding and cat in forward": ["Linear", "Linear", "Linear"],
    "attention block": ["attention", "attention", "Linear", "Linear"],
    "two classes with gates": ["Gemm+Gemm+Sigmoid+Mul", "Linear", "Linear"],
}
"""The linear-like layers of each network, without its front."""

NEW = ("TabM", "attention block")
"""Networks with operators that the older exporter lacks for older versions of ONNX."""

OPAQUE = {"wide and deep": "branches", "DeepFM": "branches", "LSTM": "LSTM"}


@cache
def folder() -> Path:
    return Path(mkdtemp())


@cache
def exported(name: str) -> Path:
    """The network's file, as torch.onnx.export writes it today."""
    path = folder() / f"{name}.onnx"
    rows = rows_for(name, 5)
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.__trace").disabled = True  # thousands of lines for pytest
        shapes = tuple({0: batch} for _ in rows)
        torch.onnx.export(
            build(name), rows, path, dynamo=True, dynamic_shapes=shapes, verbose=False
        )
    return path


def table(model: OnnxModel, rows: tuple[Tensor, ...]) -> pl.DataFrame:
    """The rows as columns with the names of the model's inputs."""
    values = np.concatenate([each.numpy().astype(float) for each in rows], axis=1)
    names = [name for each in model.inputs for name in each.columns]
    return pl.DataFrame({name: values[:, place] for place, name in enumerate(names)})


@torch.no_grad()
def original(name: str, rows: tuple[Tensor, ...]) -> np.ndarray:
    """The network's own output; of two classes' probabilities, that of the second."""
    output = build(name)(*rows).reshape(len(rows[0]), -1)
    return output[:, -1:].numpy()


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_scored_as_by_torch(name: str) -> None:
    model, rows = read_onnx(exported(name)), rows_for(name)
    expected = original(name, rows)
    found = model.predict([table(model, rows)])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", UNITS)
def test_networks_are_cut_into_their_units(name: str) -> None:
    found = cut(read_onnx(exported(name)))
    assert isinstance(found, CutOnnx), found
    kinds = [layer.structure.kind for layer in found.layers[1:] if layer.linear]
    assert [kind if "more" not in kind else "attention" for kind in kinds] == UNITS[name]
    assert found.layers[0].structure.kind == "Front"


@pytest.mark.parametrize("name", UNITS)
def test_layers_in_torch_give_the_networks_own_logit(name: str) -> None:
    model, rows = read_onnx(exported(name)), rows_for(name)
    found = cut(model)
    assert isinstance(found, CutOnnx)
    expected = original(name, rows)
    actual = found.build()(torch.from_numpy(found.scored_input([table(model, rows)])))
    actual = actual.sigmoid() if model.gives == "probability" else actual
    assert actual.shape == (len(rows[0]), 1)
    np.testing.assert_allclose(actual.detach(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", UNITS)
def test_gradients_flow_through_the_layers(name: str) -> None:
    """Against finite differences."""
    model = read_onnx(exported(name))
    found = cut(model)
    assert isinstance(found, CutOnnx)
    rows = tuple(each[-3:] for each in rows_for(name))
    inputs = torch.from_numpy(found.scored_input([table(model, rows)])).double()
    assert torch.autograd.gradcheck(found.build().double(), inputs.requires_grad_())


@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("name", [name for name in UNITS if name not in NEW])
def test_files_of_the_older_exporter_are_cut_too(name: str, opset: int, tmp_path: Path) -> None:
    rows, path = rows_for(name, 300), tmp_path / "model.onnx"
    names = [f"in{place}" for place in range(len(rows))]
    free = {each: {0: "rows"} for each in names}
    older: Any = {"dynamo": False, "opset_version": opset, "dynamic_axes": free}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(build(name), rows, path, input_names=names, **older)
    model = read_onnx(path)
    found = cut(model)
    assert isinstance(found, CutOnnx), found
    actual = found.build()(torch.from_numpy(found.scored_input([table(model, rows)])))
    actual = actual.sigmoid() if model.gives == "probability" else actual
    np.testing.assert_allclose(actual.detach(), original(name, rows), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "word"), OPAQUE.items())
def test_networks_that_cant_be_cut_say_why(name: str, word: str) -> None:
    found = cut(read_onnx(exported(name)))
    assert isinstance(found, Opaque)
    assert word in found.reason


def test_a_final_sigmoid_is_cut_off() -> None:
    model, rows = read_onnx(exported("MLP with batch norm")), rows_for("MLP with batch norm")
    layers = [*build("MLP with batch norm").children()]
    expected = nn.Sequential(*layers[:-1])(*rows).detach().numpy()
    np.testing.assert_allclose(model.logits([table(model, rows)]), expected, rtol=1e-5, atol=1e-5)


COUNT = 200
WIDER = ["TabM"]
"""Networks with no width in common with the pipeline's own: adapters are learned."""


def exact_logits(name: str, rows: tuple[Tensor, ...]) -> Tensor:
    """The network's logits [B, 1], by its modules in double precision."""
    double = tuple(each.double() if each.is_floating_point() else each for each in rows)
    with torch.no_grad():
        output = build(name).double()(*double).reshape(len(rows[0]), -1)[:, -1:]
    probable = name in ("MLP with batch norm", "functional forward", "two classes with gates")
    return (torch.logit(output) if probable else output).float()


@pytest.mark.parametrize("name", UNITS)
def test_networks_are_fused_with_the_pipelines_own(name: str) -> None:
    model = read_onnx(exported(name))
    parts = cut(model)
    assert isinstance(parts, CutOnnx)
    rows = tuple(each[-COUNT:] for each in rows_for(name))
    scored = torch.from_numpy(parts.scored_input([table(model, rows)]))
    assert_fusible(parts, scored, exact_logits(name, rows), adapt=name in WIDER)
