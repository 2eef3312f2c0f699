"""Properties of every structure, whatever its equations."""

import inspect

import pytest
import torch
from torch import nn

from emm.nn.bags import BagStore, attach_bags
from emm.nn.inputs import Inputs
from tests.structures.conftest import ENCODED, STRUCTURES

BAGS = BagStore((torch.tensor([1, 2, 3], dtype=torch.int32),), (torch.tensor([0, 2, 2, 3]),))


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize("tasks", [1, 3])
def test_logits_have_one_column_per_task(build, small, rows, tasks):
    logits = build(tasks)(*small.batch(rows))
    assert logits.shape == (rows, tasks)
    assert logits.isfinite().all()


def test_a_task_of_classes_has_a_logit_per_class(build, small):
    assert build(outputs=(4,))(*small.batch(5)).shape == (5, 4)


def test_a_row_is_predicted_alone_as_among_others(build, small):
    model, (dense, sparse) = build(), small.batch(6)
    alone = torch.cat([model(dense[n : n + 1], sparse[n : n + 1]) for n in range(6)])
    torch.testing.assert_close(model(dense, sparse), alone)


def test_gradients_reach_every_row_of_every_parameter(build, small):
    touched = {}
    for _ in range(5):  # with some weights, a unit with ReLU is 0 for all rows
        model = build()
        model(*small.batch(300)).square().sum().backward()
        for name, parameter in model.named_parameters():
            rows = parameter.grad.reshape(len(parameter), -1).any(dim=1)
            touched[name] = rows | touched.get(name, torch.zeros_like(rows))
    untouched = [name for name, rows in touched.items() if not rows.all()]
    # A bias of the keys adds the same to all scores of a token.
    assert [name for name in untouched if not name.endswith("attention.key.bias")] == []


def test_dropout_works_in_train_mode_only(kind, build, small):
    rates = {"dropout": 0.5, "attention_dropout": 0.5}
    known = inspect.signature(kind).parameters
    model, rows = build(**{k: v for k, v in rates.items() if k in known}), small.batch(5)
    assert torch.equal(model(*rows), model(*rows))
    model.train()
    assert not torch.equal(model(*rows), model(*rows))


@pytest.mark.parametrize("encoding", ["binned", "piecewise"])
def test_dense_features_can_be_encoded(kind, small, encoding):
    if "dense_encoding" not in inspect.signature(kind).parameters:
        pytest.skip("it has an encoding of its own")
    model = kind(ENCODED, 1, **STRUCTURES[kind], dense_encoding=encoding).eval()
    dense, sparse = small.batch(5)
    assert model(dense, sparse).shape == (5, 1)
    front = next(each for each in model.modules() if hasattr(each, "numeric") and each.numeric)
    assert any(id(front.numeric.weight) == id(weight) for weight in model.parameters())


def test_hidden_features_change_nothing(build, small):
    model, (dense, sparse) = build(hidden=(1, 4)), small.batch(5)
    expected = model(dense, sparse)
    dense[:, 1] += 1
    sparse[:, 1] = 1 - sparse[:, 1]
    assert torch.equal(model(dense, sparse), expected)
    dense[:, 0] += 1
    assert not torch.equal(model(dense, sparse), expected)


def test_multi_valued_fields_are_read(kind):
    inputs = Inputs(3, (4, 2), bags=(6,))
    model = kind(inputs, 1, **STRUCTURES[kind])
    with torch.no_grad():
        for parameter in model.parameters():
            nn.init.uniform_(parameter)
    attach_bags(model.eval(), BAGS)
    dense, sparse = torch.zeros(3, 3), torch.zeros(3, 3, dtype=torch.int32)
    sparse[:, 2] = torch.arange(3)  # owners
    assert len(model(dense, sparse).unique()) == 3


def test_inputs_without_dense_or_without_sparse_features(kind):
    arguments = {key: value for key, value in STRUCTURES[kind].items() if key != "scales"}
    for inputs in (Inputs(0, (4, 2)), Inputs(3, ())):
        model = kind(inputs, 1, **arguments).eval()
        sparse = torch.zeros(5, len(inputs.cardinalities), dtype=torch.int32)
        assert model(torch.rand(5, inputs.dense), sparse).shape == (5, 1)
