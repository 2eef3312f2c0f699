"""Real networks of Keras, exported by model.export with torch as its backend."""

import os
import warnings
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from emm.outside.onnx import CutOnnx, cut, read_onnx
from tests.outside.fused_onnx import assert_fusible
from tests.outside.people import NUMBERS, hard_rows

os.environ.setdefault("KERAS_BACKEND", "torch")
keras: Any = pytest.importorskip("keras")

ROWS = hard_rows().select(NUMBERS).fill_null(0.0) / 100


def sequential() -> Any:
    """Dense layers with batch norm, GELU and dropout, which end in a sigmoid."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(8),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.Dropout(0.1),
            layers.Dense(8, activation="gelu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    random = np.random.default_rng(0)
    model.set_weights([np.abs(random.normal(size=each.shape)) for each in model.weights])
    return model


def functional() -> Any:
    """Inputs by name, one of them a code that is embedded; gives a logit."""
    layers = keras.layers
    numbers = keras.Input((2,), name="numbers")
    code = keras.Input((1,), name="code", dtype="int32")
    embedded = layers.Flatten()(layers.Embedding(5, 4)(code))
    hidden = layers.Concatenate()([numbers, embedded])
    hidden = layers.Dense(8, activation="relu")(hidden)
    hidden = layers.Dense(8, activation="relu")(hidden)
    return keras.Model({"numbers": numbers, "code": code}, layers.Dense(1)(hidden))


def inputs_of(name: str) -> Any:
    matrix = ROWS.to_numpy().astype(np.float32)
    if name == "sequential":
        return matrix
    code = np.arange(len(matrix), dtype=np.int32)[:, None] % 5
    return {"numbers": matrix[:, :2], "code": code}


@cache
def built(name: str) -> tuple[Any, Path]:
    """The network and its file."""
    keras.utils.set_random_seed(0)
    model = {"sequential": sequential, "functional": functional}[name]()
    path = Path(mkdtemp()) / "model.onnx"
    given = inputs_of(name)
    few = given[:2] if name == "sequential" else {key: each[:2] for key, each in given.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model(few)
        model.export(str(path), format="onnx", verbose=False)
    return model, path


def table(name: str, inputs: Any) -> pl.DataFrame:
    """The rows as columns with the names of the file's inputs."""
    given = inputs_of(name)
    values = {inputs[0].name: given} if name == "sequential" else given
    columns = {
        column: values[each.name][:, place]
        for each in inputs
        for place, column in enumerate(each.columns)
    }
    return pl.DataFrame(columns)


def original(name: str) -> np.ndarray:
    with torch.no_grad():
        return built(name)[0](inputs_of(name)).cpu().numpy()


@pytest.mark.parametrize("name", ["sequential", "functional"])
def test_networks_are_scored_as_by_keras(name: str) -> None:
    model = read_onnx(built(name)[1])
    found = model.predict([table(name, model.inputs)])
    np.testing.assert_allclose(found, original(name), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        (
            "sequential",
            ["Linear", "Sub", "Mul", "Add", "ReLU", "Linear", "GELU", "Linear"],
        ),
        ("functional", ["Linear", "ReLU", "Linear", "ReLU", "Linear"]),
    ],
)
def test_networks_are_cut_into_layers(name: str, kinds: list[str]) -> None:
    model = read_onnx(built(name)[1])
    found = cut(model)
    assert isinstance(found, CutOnnx), found
    assert [layer.structure.kind for layer in found.layers] == ["Front", *kinds]
    logits = found.build()(torch.from_numpy(found.scored_input([table(name, model.inputs)])))
    output = logits.sigmoid() if model.gives == "probability" else logits
    np.testing.assert_allclose(output.detach(), original(name), rtol=1e-5, atol=1e-5)


def test_a_network_is_fused_with_the_pipelines_own() -> None:
    model = read_onnx(built("functional")[1])
    parts = cut(model)
    assert isinstance(parts, CutOnnx)
    scored = torch.from_numpy(parts.scored_input([table("functional", model.inputs)])[:200])
    assert_fusible(parts, scored, torch.from_numpy(original("functional")[:200]))
