import pytest
import torch

from emm.models.single_task import SingleTask

ARGUMENTS = {"embedding_dim": 2, "blocks": [[6, 5], [4], [4, 3]], "tower": [3], "dropout": 0.0}


def test_forward_runs_the_chain(case, plain, small):
    model = case.prepare(SingleTask(small.inputs, **ARGUMENTS))
    x = plain.front(model.front, case.dense, case.sparse)
    for block in model.blocks:
        x = plain.chain(block, x)
    expected = plain.chain(model.tower, x)
    torch.testing.assert_close(model(case.dense, case.sparse), expected)


def test_one_block_per_list_of_widths(small):
    model = SingleTask(small.inputs, **ARGUMENTS)
    widths = [[layer.out_features for layer in block[::4]] for block in model.blocks]
    assert widths == ARGUMENTS["blocks"]


@pytest.mark.parametrize("rows", [1, 5])
def test_shape(rows, small):
    logits = SingleTask(small.inputs, **ARGUMENTS).eval()(*small.batch(rows))
    assert logits.shape == (rows, 1)
    assert logits.isfinite().all()


def test_gradients_reach_every_row_of_every_parameter(small):
    rows = small.batch(200)
    model = small.settle(SingleTask(small.inputs, **ARGUMENTS), *rows)
    model(*rows).square().sum().backward()
    untouched = [
        name
        for name, parameter in model.named_parameters()
        if not parameter.grad.reshape(len(parameter), -1).any(dim=1).all()
    ]
    assert untouched == []


def test_state_names_are_stable(small):
    linear, norm = {"weight", "bias"}, {"weight", "bias", "running_mean", "running_var"}
    names = set(SingleTask(small.inputs, **ARGUMENTS | {"blocks": [[6], [4]]}).state_dict())
    expected = {"front.table.weight", "tower.4.weight", "tower.4.bias"}
    for place in ("blocks.0", "blocks.1", "tower"):
        expected |= {f"{place}.0.{name}" for name in linear}
        expected |= {f"{place}.1.{name}" for name in norm | {"num_batches_tracked"}}
    assert names == expected


def test_a_task_of_classes_has_a_logit_per_class(small):
    model = SingleTask(small.inputs, 1, outputs=(4,), **ARGUMENTS).eval()
    assert model(*small.batch(5)).shape == (5, 4)
    assert model.tower[-1].weight.shape[0] == 4
