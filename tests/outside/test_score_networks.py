"""Scoring of networks: those by factory, and those of ONNX that are cut."""

import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import save_file
from sklearn.neural_network import MLPClassifier
from torch import Tensor, nn

from emm.core.errors import ModelFileError
from emm.data.tables.schema import Schema, load_schema
from emm.nn.inputs import Inputs
from emm.outside.member import WEIGHTS
from emm.outside.onnx import OnnxLayers
from emm.outside.score import score
from emm.outside.scores import SCORES, load_scores
from emm.outside.settings import OutsideModel
from emm.training.store import load_weights
from tests.outside.people import NUMBERS, as_pandas
from tests.outside.scoring import original, run
from tests.outside.shop import (
    export,
    pipeline,
    processed_shop,
    raw_table,
    write_reference,
)

pytest.importorskip("onnxruntime")
LINEAR = "tests.outside.test_score_networks:Linear"


class Linear(nn.Module):
    """A network on the processed columns."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.out = nn.Linear(inputs.dense, 1)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        logits: Tensor = self.out(dense)
        return logits


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return processed_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def schema(processed: Path) -> Schema:
    return load_schema(processed / "schema.json")


def test_a_network_that_is_cut_is_stored_as_its_layers_and_their_first_input(
    processed: Path, schema: Schema, tmp_path: Path
) -> None:
    classifier = MLPClassifier((8, 8), max_iter=20, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so few epochs don't converge
        fitted = pipeline(classifier, "rich")
    export(fitted, tmp_path / "mlp.onnx")
    tail = as_pandas(raw_table().tail(60))
    write_reference(tmp_path / "mlp.parquet", fitted.predict_proba(tail)[:, 1])
    of = OutsideModel(
        "rich",
        model=str(tmp_path / "mlp.onnx"),
        output="probabilities[:, 1]",
        reference=str(tmp_path / "mlp.parquet"),
    )
    member = run(tmp_path, of, processed, schema)
    assert (member.join.kind, member.join.width) == ("cut", 8)
    layers = OnnxLayers(dict(member.join.description or {}))
    layers.load_state_dict(load_weights(tmp_path / WEIGHTS))
    rows = original(processed, "test")
    scored = load_scores(tmp_path, "test", len(rows), 8)
    with torch.inference_mode():
        found = layers.eval()(scored).sigmoid()[:, 0].numpy()
    expected = fitted.predict_proba(as_pandas(rows))[:, 1]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_network_by_factory_runs_in_torch(
    processed: Path, schema: Schema, tmp_path: Path
) -> None:
    model = Linear(Inputs(len(NUMBERS), schema.cardinalities, schema.edges))
    save_file(model.state_dict(), tmp_path / "linear.safetensors")
    encoded = pl.read_parquet(processed / "train.parquet").head(100)
    with torch.inference_mode():
        dense = encoded.select(schema.dense_names).to_torch(dtype=pl.Float32)
        logits = model(dense, torch.zeros(100, 2)).numpy()
    rows = encoded.select(*schema.dense_names, *schema.sparse_names)
    rows.with_columns(prediction=pl.Series(logits[:, 0])).write_parquet(tmp_path / "rows.parquet")
    of = OutsideModel(
        "rich",
        factory=LINEAR,
        weights=str(tmp_path / "linear.safetensors"),
        reference=str(tmp_path / "rows.parquet"),
    )
    member = run(tmp_path, of, processed, schema)
    assert (member.kind, member.columns, member.join.kind) == ("network", "encoded", "torch")
    assert member.checked is not None
    assert not (tmp_path / SCORES).exists()
    with pytest.raises(ModelFileError, match="which no entry of"):
        score(tmp_path, "risk", of, processed, schema, "conf")


class Sigmoid(Linear):
    """A network that returns probabilities."""

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        return super().forward(dense, sparse).sigmoid()


class Flat(Linear):
    """A network that returns [B]."""

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        return super().forward(dense, sparse).flatten()


def by_factory(folder: Path, schema: Schema, name: str) -> OutsideModel:
    """The entry of a network of this module with fresh weights."""
    model = Linear(Inputs(len(NUMBERS), schema.cardinalities, schema.edges))
    save_file(model.state_dict(), folder / "linear.safetensors")
    return OutsideModel(
        "rich",
        factory=f"tests.outside.test_score_networks:{name}",
        weights=str(folder / "linear.safetensors"),
        reference="none",
    )


def test_a_network_that_returns_probabilities_is_recognised(
    processed: Path, schema: Schema, tmp_path: Path
) -> None:
    member = run(tmp_path, by_factory(tmp_path, schema, "Sigmoid"), processed, schema)
    assert member.gives == "probability"
    assert "its output is taken as a probability: its values are all within [0, 1]" in member.said


def test_a_network_without_a_column_of_logits_is_refused(
    processed: Path, schema: Schema, tmp_path: Path
) -> None:
    message = r"doesn't return one logit per row(.|\n)*expected: \[rows, 1\]"
    with pytest.raises(ModelFileError, match=message):
        run(tmp_path, by_factory(tmp_path, schema, "Flat"), processed, schema)
