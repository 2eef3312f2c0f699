"""TabM against a head at a time, and against the authors' package where it is installed."""

import pytest
import torch

from emm.nn.inputs import Inputs
from emm.nn.losses import task_losses
from emm.structures.tabm import TabM
from tests.structures.conftest import STRUCTURES


@pytest.mark.parametrize("sharing", ["adapters", "mini"])
@pytest.mark.parametrize("layers", [[6, 5], []])
def test_forward_equals_one_network_per_head(case, plain, small, sharing, layers):
    arguments = {**STRUCTURES[TabM], "layers": layers, "sharing": sharing}
    model = case.prepare(TabM(small.inputs, 2, **arguments))
    x = plain.front(model.front, case.dense, case.sparse)
    heads = []
    for k in range(3):
        h = x * model.scale[k]
        for number, layer in enumerate(model.layers):
            h = h if layer.r is None else h * layer.r[k]
            h = torch.stack([layer.weight @ row for row in h])
            h = h if layer.s is None else h * layer.s[k]
            h = h + (layer.bias[k] if sharing == "adapters" else layer.bias)
            h = torch.where(h > 0, h, 0.0)
            assert (layer.r is None) == (number == 0 or sharing == "mini")
        weight, bias = model.last.weight[k], model.last.bias[k]
        heads.append(torch.stack([weight @ row + bias for row in h]))
    found, every = model(case.dense, case.sparse), torch.stack(heads, dim=1)
    if model.training:
        torch.testing.assert_close(found, every)
    else:
        torch.testing.assert_close(found.sigmoid(), every.sigmoid().mean(1))


@pytest.mark.parametrize("kind", ["classes", "regression"])
def test_the_prediction_follows_the_kind_of_the_task(small, kind):
    outputs = (3,) if kind == "classes" else ()
    model = TabM(small.inputs, 1, **STRUCTURES[TabM], outputs=outputs, kinds=(kind,))
    rows = small.batch(5)
    heads, found = model.train()(*rows), model.eval()(*rows)
    if kind == "classes":
        torch.testing.assert_close(found.softmax(1), heads.softmax(2).mean(1))
    else:
        torch.testing.assert_close(found, heads.mean(1))


@pytest.mark.parametrize("first", ["signs", "normal"])
def test_the_first_scales_are_one_value_per_head_and_feature(small, first):
    scale = TabM(small.inputs, 1, heads=50, embedding_dim=4, first_scales=first).scale
    parts = scale.split([1, 1, 1, 4, 4, 4], dim=1)
    assert all(torch.equal(part, part[:, :1].expand_as(part)) for part in parts)
    assert len(scale[:, 3].unique()) == (2 if first == "signs" else 50)


def test_all_other_scales_start_at_one_and_biases_equal(small):
    model = TabM(small.inputs, 1, **STRUCTURES[TabM])
    assert all((layer.s == 1).all() for layer in model.layers)
    assert (model.layers[1].r == 1).all()
    assert all(torch.equal(each.bias, each.bias[:1].expand(3, -1)) for each in model.layers)


def test_heads_learn_apart(small):
    """The gradient of a head's own weights is that of its own loss, over the number of heads."""
    model, rows = TabM(small.inputs, 1, **STRUCTURES[TabM]), small.batch(8)
    labels = torch.arange(8.0).unsqueeze(1) % 2
    task_losses(model(*rows), labels).sum().backward()
    together = model.last.weight.grad[1].clone()
    model.zero_grad()
    task_losses(model(*rows)[:, 1], labels).sum().backward()
    torch.testing.assert_close(together, model.last.weight.grad[1] / 3)


@pytest.mark.parametrize("sharing", ["adapters", "mini"])
def test_it_equals_the_authors_package(sharing):
    tabm = pytest.importorskip("tabm")
    kind = "tabm" if sharing == "adapters" else "tabm-mini"
    shape = {"n_blocks": 2, "d_block": 6, "k": 3, "dropout": 0.0, "arch_type": kind}
    theirs = tabm.TabM.make(n_num_features=3, d_out=1, **shape)
    ours = TabM(Inputs(3, ()), 1, heads=3, layers=[6, 6], dropout=0.0, sharing=sharing)
    state = theirs.state_dict()
    linears = [f"backbone.blocks.{n}.0" for n in range(2)]
    first = f"{linears[0]}.r" if sharing == "adapters" else "backbone.affine.weight"
    assert state[first].shape == ours.scale.shape
    with torch.no_grad():
        for value in state.values():
            value.copy_(torch.randn_like(value))
        ours.scale.copy_(state[first])
        for layer, name in zip(ours.layers, linears, strict=True):
            layer.weight.copy_(state[f"{name}.weight"])
            layer.bias.copy_(state[f"{name}.bias"])
            if sharing == "adapters":
                layer.s.copy_(state[f"{name}.s"])
        if sharing == "adapters":
            ours.layers[1].r.copy_(state[f"{linears[1]}.r"])
        ours.last.weight.copy_(state["output.weight"].transpose(1, 2))
        ours.last.bias.copy_(state["output.bias"])
    theirs.load_state_dict(state)
    dense = torch.randn(5, 3)
    found = ours(dense, torch.zeros(5, 0, dtype=torch.int32))
    torch.testing.assert_close(found, theirs(dense))
