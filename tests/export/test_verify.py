"""The check of an exported model notices what differs."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emm.core.errors import ModelFileError
from emm.data.tables.schema import DenseColumn
from emm.export.graph import build_model
from emm.export.verify import verify
from emm.export.write import write_model
from emm.predict.encoder import Encoder
from emm.trees.gbdt import GradientBoosting
from tests.export.encoders import boosted
from tests.export.small import raw_rows, small_encoder

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return small_encoder(("t0", "amount"), kinds={"amount": "regression"})


@pytest.fixture(scope="module")
def path(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    write_model(build_model(boosted(encoder), encoder.schema.tasks, encoder), folder)
    return folder / "model.onnx"


def check(path: Path, model: GradientBoosting, encoder: Encoder, count: int = 40) -> object:
    return verify(path, model, encoder.schema.tasks, encoder, raw_rows(encoder, count))


def test_the_largest_differences_are_said(path: Path, encoder: Encoder) -> None:
    found = verify(path, boosted(encoder), encoder.schema.tasks, encoder, raw_rows(encoder))
    assert (found.rows, found.logits, found.trees) == (40, 0.0, True)
    assert found.probabilities < 1e-6


def test_a_single_row_is_enough(path: Path, encoder: Encoder) -> None:
    check(path, boosted(encoder), encoder, 1)


def test_sums_of_trees_that_differ_in_the_last_bit_are_refused(
    path: Path, encoder: Encoder
) -> None:
    model = boosted(encoder)
    first = model.ensembles[0]
    first.value.copy_(first.value.float().nextafter(torch.tensor(torch.inf)).double())
    with pytest.raises(ModelFileError, match="tree_sums has, in row 1 and column 1"):
        check(path, model, encoder)


def test_columns_that_are_encoded_otherwise_are_refused(path: Path, encoder: Encoder) -> None:
    dense: tuple[DenseColumn, ...] = tuple(
        replace(each, mean=0.5) if each.name == "d1" else each for each in encoder.schema.dense
    )
    other = Encoder(replace(encoder.schema, dense=dense), encoder.vocabularies, encoder.inputs)
    with pytest.raises(ModelFileError, match="encoded_dense has, in row 4 and column 2"):
        check(path, boosted(encoder), other)


def test_values_in_other_units_are_refused(path: Path, encoder: Encoder) -> None:
    targets = {"amount": replace(encoder.schema.targets["amount"], mean=-39.0)}
    other = Encoder(replace(encoder.schema, targets=targets), encoder.vocabularies, encoder.inputs)
    with pytest.raises(ModelFileError, match=r"value_amount differs by 0\.004"):
        check(path, boosted(encoder), other)


def test_a_model_of_other_tasks_is_refused(path: Path, encoder: Encoder) -> None:
    with pytest.raises(ModelFileError, match="lacks the output"):
        verify(path, boosted(encoder), ("t0", "other"), encoder, raw_rows(encoder))
