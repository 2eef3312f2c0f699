"""Networks recover what they were made for, on generated data where another network doesn't."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from emm.data.tables.rows import RowTensors
from emm.models.adatt import AdaTT
from emm.models.cross_stitch import CrossStitchNetwork
from emm.models.ektm import EKTM
from emm.models.home import HoME
from emm.models.resflow import ResFlow
from emm.models.shared_bottom import SharedBottom
from emm.models.sluice import SluiceNetwork
from emm.nn.inputs import Inputs
from emm.training.fit import Schedule, fit, predict
from emm.training.optimisers import Optimisation
from emm.training.seeds import seed_init

INPUTS, SEEDS = Inputs(dense=8, cardinalities=()), (0, 1)
NARROW = {"bottom": [4], "tower": [4]}
WIDE = {"bottom": [16, 8]}

Draw = Callable[[Tensor, torch.Generator], tuple[Tensor, ...]]


def drawn(probability: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(probability.shape, generator=generator) < probability


def disjoint(x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Two tasks of products of different features."""
    logits = 3 * x[:, 0] * x[:, 1], 3 * x[:, 2] * x[:, 3]
    return tuple(drawn(logit.sigmoid(), generator) for logit in logits)


def funnel(x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
    """A click of several features, and a conversion after 9 % of them: likelier where a click is,
    and by one more feature."""
    appeal = 1.5 * x[:, 0] * x[:, 1] + 1.5 * x[:, 2].abs() - 2 + x[:, 3]
    click = drawn(appeal.sigmoid(), generator)
    conversion = drawn((0.7 * appeal + 0.8 * x[:, 4] - 3.5).sigmoid(), generator)
    return click, click & conversion


def similar(x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Two tasks of one product, and one feature each; all features lie far from zero."""
    product = 2 * x[:, 0] * x[:, 1]
    logits = product + x[:, 2], product - x[:, 3]
    x += 4
    return tuple(drawn(logit.sigmoid(), generator) for logit in logits)


def table(draw: Draw, rows: int, seed: int) -> RowTensors:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 8, generator=generator)
    labels = torch.stack(draw(x, generator), dim=1).byte()
    return RowTensors(x, torch.zeros(rows, 0, dtype=torch.int32), labels)


def train(
    build: Callable[[], nn.Module], draw: Draw, learning_rate: float = 0.02
) -> list[tuple[nn.Module, list[float]]]:
    """For each seed the trained network, and the AUC of both tasks on other rows."""
    rows, held, test = (table(draw, n, k) for k, n in enumerate((3000, 1000, 6000)))
    how = Schedule(Optimisation(learning_rate, 0.0), batch_size=300, max_epochs=8, patience=8)
    found = []
    for seed in SEEDS:
        seed_init(seed)
        model = build()
        fit(model, rows, held, how, seed=seed)
        logits = predict(model, test)
        aucs = [roc_auc_score(test.labels[:, task], logits[:, task]) for task in range(2)]
        found.append((model, aucs))
    return found


def mean_auc(found: list[tuple[nn.Module, list[float]]], *tasks: int) -> float:
    return sum(aucs[task] for _, aucs in found for task in tasks) / len(found) / len(tasks)


@cache
def shared_by_disjoint_tasks() -> float:
    return mean_auc(train(lambda: SharedBottom(INPUTS, 2, **NARROW), disjoint), 0, 1)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [(CrossStitchNetwork, NARROW), (SluiceNetwork, {"layers": 1, "width": 2, "tower": [4]})],
)
def test_disjoint_tasks_do_not_compete_for_hidden_units(
    kind: type[nn.Module], arguments: dict[str, Any]
) -> None:
    found = train(lambda: kind(INPUTS, 2, **arguments), disjoint)
    assert mean_auc(found, 0, 1) > shared_by_disjoint_tasks() + 0.03


def test_cross_stitch_units_learn_that_disjoint_tasks_share_nothing() -> None:
    found = train(lambda: CrossStitchNetwork(INPUTS, 2, bottom=[6], tower=[4]), disjoint)
    for model, _ in found:
        alpha = model.bottoms[1].alpha.detach().squeeze(2)
        assert alpha.diag().min() > 0.9
        assert (alpha - alpha.diag().diag()).abs().max() < 0.1  # that of the start


@cache
def without_transfer() -> float:
    """AUC of the conversion by a network per task that nothing flows into."""
    build = lambda: ResFlow(INPUTS, 2, **WIDE, features=False, logits=False)  # noqa: E731
    return mean_auc(train(build, funnel), 1)


def test_a_rare_second_step_learns_from_the_first_by_residuals() -> None:
    found = train(lambda: ResFlow(INPUTS, 2, **WIDE, funnel=(0, 1)), funnel)
    assert mean_auc(found, 1) > without_transfer() + 0.02


def test_a_rare_second_step_learns_from_the_first_by_transfer() -> None:
    found = train(lambda: EKTM(INPUTS, 2, **WIDE, tower=[4], funnel=(0, 1)), funnel)
    assert mean_auc(found, 1) > without_transfer() + 0.005


def zeros(experts: nn.Module, x: Tensor) -> Tensor:
    """The share of outputs of each expert that are zero."""
    with torch.no_grad():
        shares: Tensor = (experts(x).abs() < 1e-6).float().mean(dim=(0, 2))
    return shares


def test_no_expert_collapses_where_features_lie_far_from_zero() -> None:
    x = table(similar, 1000, 3).dense
    experts = {"experts": 3, "expert": [8], "tower": [8]}
    plain = train(lambda: AdaTT(INPUTS, 2, levels=1, **experts, norm=False), similar, 0.05)
    home = train(lambda: HoME(INPUTS, 2, **{**experts, "experts": 2}), similar, 0.05)
    collapsed = [zeros(model.levels[0].experts, x).max().item() for model, _ in plain]
    assert min(collapsed) > 0.9
    assert max(zeros(model.meta, x).max().item() for model, _ in home) < 0.01
    assert mean_auc(home, 0, 1) > mean_auc(plain, 0, 1) + 0.05
