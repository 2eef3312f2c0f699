"""Properties of every model, whatever its equations."""

import pytest
import torch
from torch import nn

from emm.core.errors import ParamsError
from emm.models.adatt import AdaTT
from emm.models.aitm import AITM
from emm.models.cross_stitch import CrossStitchNetwork
from emm.models.ektm import EKTM
from emm.models.escm2 import ESCM2
from emm.models.esmm import ESMM
from emm.models.home import HoME
from emm.models.mmoe import MMoE
from emm.models.ple import PLE
from emm.models.resflow import ResFlow
from emm.models.shared_bottom import SharedBottom
from emm.models.sluice import SluiceNetwork
from emm.models.stem import STEM

BOTH = {"embedding_dim": 2, "tower": [3]}
EXPERTS = {**BOTH, "expert": [6, 4]}
FUNNEL = {**BOTH, "funnel": (0, 1)}
RISK = {"variant": "ips", "risk_weight": 0.5, "global_weight": 1.0, "least_propensity": 0.1}
MODELS = {
    SharedBottom: {**BOTH, "bottom": [6, 4]},
    MMoE: {**EXPERTS, "experts": 3},
    PLE: {**EXPERTS, "levels": 2, "specific_experts": 2, "shared_experts": 1},
    AITM: {**BOTH, "bottom": [6, 4]},
    AdaTT: {**EXPERTS, "levels": 2, "experts": 2},
    ESMM: FUNNEL,
    ESCM2: {**FUNNEL, **RISK},
    STEM: {**EXPERTS, "specific_experts": 2, "shared_experts": 1},
    CrossStitchNetwork: {**BOTH, "bottom": [6, 4]},
    SluiceNetwork: {**BOTH, "layers": 2, "width": 3},
    HoME: {**EXPERTS, "experts": 2, "feature_gates": 2, "rank": 2},
    ResFlow: {"embedding_dim": 2, "bottom": [6, 4]},
    EKTM: {**BOTH, "bottom": [6, 4], "router": [5]},
}
PREFIXES = {
    SharedBottom: {"front.table", "bottom.0", "bottom.1", "towers.layers"},
    MMoE: {"front.table", "experts.0", "experts.1", "gates.linear", "towers.layers"},
    PLE: {"front.table", "levels.0", "levels.1", "towers.layers"},
    AITM: {"front.table", "bottoms.0", "bottoms.1", "transfers.0", "towers.layers"}
    | {"attention.projections"},
    AdaTT: {"front.table", "levels.0", "levels.1", "towers.layers"},
    ESMM: {"front.front", "towers.layers"},
    ESCM2: {"front.front", "towers.layers"},
    STEM: {"fronts.0", "fronts.1", "fronts.2", "experts.0", "experts.1", "gates.linear"}
    | {"towers.layers"},
    CrossStitchNetwork: {"front.table", "bottoms.0", "bottoms.1", "towers.layers"},
    SluiceNetwork: {"front.table", "layers.0", "layers.1", "sluices.0", "sluices.1", "beta"}
    | {"towers.layers"},
    HoME: {"front.table", "meta.feature_gates", "meta.experts", "level.feature_gates"}
    | {"level.experts", "category_readers.gates", "category_readers.self_gates"}
    | {"shared_reader.gates", "shared_reader.self_gates", "task_readers.gates"}
    | {"task_readers.self_gates", "towers.layers"},
    ResFlow: {"front.table", "bottoms.0", "towers.layers"},
    EKTM: {"front.table", "bottoms.0", "bottoms.1", "router.0", "router.1", "router.4", "router.5"}
    | {"transmitters.transmit", "transmitters.gates", "towers.layers", "enhancements.layers"},
}
every_model = pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)


def build(kind, small, tasks=2, dropout=0.0, **changes):
    return kind(small.inputs, tasks, **{**MODELS[kind], "dropout": dropout, **changes})


@every_model
@pytest.mark.parametrize("rows", [1, 5])
def test_logits_have_one_column_per_task(kind, rows, tasks, small):
    logits = build(kind, small, tasks).eval()(*small.batch(rows))
    assert logits.shape == (rows, tasks)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


@every_model
def test_a_task_of_classes_has_a_logit_per_class(kind, small):
    rows, outputs = small.batch(5), (1, 1, 4)
    model = build(kind, small, 3, outputs=outputs).eval()
    logits = model(*rows)
    assert logits.shape == (5, 6)
    last = model.towers.layers[-1].layers
    logits[:, 2:].sum().backward()
    assert last[2].bias.grad.tolist() == [5.0] * 4
    assert not any(last[task].bias.grad.any() for task in range(2))


@every_model
def test_no_outputs_means_one_per_task_with_the_same_first_weights(kind, small):
    states = []
    for changes in ({}, {"outputs": ()}):
        torch.manual_seed(1)
        states.append(build(kind, small, **changes).state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@every_model
def test_gradients_reach_every_row_of_every_parameter(kind, tasks, small):
    """Rows are the groups of a grouped weight and the ids of an embedding table."""
    rows = small.batch(200)
    model = small.settle(build(kind, small, tasks), *rows)
    model(*rows).square().sum().backward()
    untouched = [
        name
        for name, parameter in model.named_parameters()
        if not parameter.grad.reshape(len(parameter), -1).any(dim=1).all()
    ]
    assert untouched == []


@every_model
def test_dropout_works_in_train_mode_only(kind, small):
    model, rows = build(kind, small, dropout=0.5), small.batch(5)
    assert not torch.equal(model(*rows), model(*rows))
    assert torch.equal(model.eval()(*rows), model(*rows))


@every_model
def test_every_part_has_the_given_dropout(kind, small):
    model = build(kind, small, dropout=0.3)
    rates = {layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)}
    assert rates == {0.3}


@every_model
def test_state_names_are_stable(kind, small):
    widths = {name: [6] for name in ("expert", "bottom") if name in MODELS[kind]}
    names = build(kind, small, **widths).state_dict()
    assert {".".join(name.split(".")[:2]) for name in names} == PREFIXES[kind]


@pytest.mark.parametrize("kind", [MMoE, PLE, AdaTT, STEM, HoME])
def test_experts_need_a_layer(kind, small):
    with pytest.raises(ParamsError, match="at least one hidden width"):
        build(kind, small, expert=[])


@pytest.mark.parametrize("kind", [CrossStitchNetwork, ResFlow, EKTM])
def test_the_network_of_a_task_needs_a_layer(kind, small):
    with pytest.raises(ParamsError, match="at least one hidden width"):
        build(kind, small, bottom=[])
