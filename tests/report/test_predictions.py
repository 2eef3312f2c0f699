"""Reading predictions and computing their curves."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.ranking import roc_curve
from emm.report.evidence import read_evidence
from emm.report.facts import DatasetFacts
from emm.report.predictions import read_predictions
from emm.report.results import ModelResults, read_results

TASKS = ("income", "never-married")
AUCS = {"income": [0.95, 0.96], "never-married": [0.99, 0.98]}
FILE = "predictions.safetensors"


@pytest.fixture
def results(tmp_path: Path, write_evaluation: Callable[..., Path]) -> ModelResults:
    return read_results("mmoe", write_evaluation(tmp_path, "mmoe", AUCS), TASKS)


def rewrite(results: ModelResults, change: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load_file(results.folder / FILE)
    change(tensors)
    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()}, results.folder / FILE
    )


def test_the_predictions_of_all_seeds_are_read(results: ModelResults, facts: DatasetFacts) -> None:
    stored = load_file(results.folder / FILE)
    found = read_predictions(results, facts)
    assert torch.equal(found.logits, stored["logits"])
    assert torch.equal(found.labels, stored["labels"])
    assert found.weights is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("labels"), "has no labels"),
        (lambda t: t.update(logits=t["logits"][:1]), "has logits of another type or shape"),
        (lambda t: t.update(logits=t["logits"][:, :, :1]), "has logits of another type or shape"),
        (lambda t: t.update(logits=t["logits"].double()), "has logits of another type or shape"),
        (lambda t: t.update(labels=t["labels"][:9]), "has labels of another type or shape"),
        (lambda t: t.update(labels=t["labels"].long()), "has labels of another type or shape"),
        (lambda t: t["logits"][0, 0].fill_(torch.nan), "aren't finite"),
        (lambda t: t.update(weights=torch.ones(199)), "has weights of another type or shape"),
    ],
)
def test_invalid_predictions_are_rejected(
    results: ModelResults,
    facts: DatasetFacts,
    change: Callable[[dict[str, Tensor]], object],
    message: str,
) -> None:
    rewrite(results, change)
    with pytest.raises(DataError, match=message):
        read_predictions(results, facts)


def test_the_error_for_a_wrong_shape_names_both_shapes(
    results: ModelResults, facts: DatasetFacts
) -> None:
    with pytest.raises(DataError) as caught:
        read_predictions(results, replace(facts, rows={"test": 300}))
    assert "F32 [2, 200, 2]" in str(caught.value)
    assert "F32 [2, 300, 2]" in str(caught.value)


def test_the_error_for_missing_predictions_names_the_file(
    results: ModelResults, facts: DatasetFacts
) -> None:
    (results.folder / FILE).unlink()
    with pytest.raises(DataError, match=r"predictions\.safetensors is missing"):
        read_predictions(results, facts)


@pytest.mark.parametrize("length", [0, 5, 100, 1000])
def test_truncated_predictions_are_rejected(
    results: ModelResults, facts: DatasetFacts, length: int
) -> None:
    path = results.folder / FILE
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match="can't be read"):
        read_predictions(results, facts)


def test_each_curve_is_of_its_task(results: ModelResults, facts: DatasetFacts) -> None:
    stored = load_file(results.folder / FILE)
    x, y = roc_curve(stored["logits"][0, :, 1], stored["labels"][:, 1])
    curves = read_evidence([results], facts, {}).curves["mmoe"]
    assert torch.equal(curves.roc["never-married"][0], x)
    assert torch.equal(curves.roc["never-married"][1], y)
    assert int(curves.reliability["income"].rows.sum()) == 200


def test_models_with_different_labels_are_rejected(
    results: ModelResults,
    facts: DatasetFacts,
    tmp_path: Path,
    write_evaluation: Callable[..., Path],
) -> None:
    other = read_results("ple", write_evaluation(tmp_path, "ple", AUCS), TASKS)
    rewrite(other, lambda tensors: tensors.update(labels=tensors["labels"].flip(0)))
    with pytest.raises(DataError, match="has other labels"):
        read_evidence([results, other], facts, {})


def test_models_with_different_row_weights_are_rejected(
    results: ModelResults,
    facts: DatasetFacts,
    tmp_path: Path,
    write_evaluation: Callable[..., Path],
) -> None:
    other = read_results("ple", write_evaluation(tmp_path, "ple", AUCS), TASKS)
    rewrite(other, lambda tensors: tensors.update(weights=torch.ones(200)))
    with pytest.raises(DataError, match="has other row weights"):
        read_evidence([results, other], facts, {})
