"""Models that train quickly, and rows for them."""

from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from emm.data.tables.rows import RowTensors
from emm.models.mmoe import MMoE
from emm.nn.inputs import Inputs
from emm.training.fit import Epoch, Schedule, fit
from emm.training.optimisers import Optimisation
from emm.training.seeds import seed_init

INPUTS = Inputs(dense=2, cardinalities=(3,))


def table(rows: int, seed: int) -> RowTensors:
    generator = torch.Generator().manual_seed(seed)
    dense = torch.randn(rows, 2, generator=generator)
    sparse = torch.randint(0, 3, (rows, 1), generator=generator).int()
    noise = torch.randn(rows, 2, generator=generator)
    labels = (dense + noise + (sparse == 1) > 0).byte()
    return RowTensors(dense, sparse, labels)


TRAIN, VALIDATION = table(300, 0), table(200, 1)


OPTIMISATION = {field.name for field in fields(Optimisation)}


def schedule(**changes: Any) -> Schedule:
    """A schedule; ``changes``: fields of it or of its optimisation."""
    moves = {"learning_rate": 0.01, "weight_decay": 0.0}
    values = {"batch_size": 64, "max_epochs": 6, "patience": 3}
    for key, value in changes.items():
        (moves if key in OPTIMISATION else values)[key] = value
    return Schedule(Optimisation(**moves), **values)


def mmoe(dropout: float = 0.2) -> MMoE:
    seed_init(0)
    knobs = {"embedding_dim": 2, "experts": 2, "expert": [4], "tower": [4], "dropout": dropout}
    return MMoE(INPUTS, 2, **knobs)


class Linear(nn.Module):
    """Linear logits of the dense features, always with the same first weights."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        nn.init.constant_(self.layer.weight, 0.1)
        nn.init.constant_(self.layer.bias, 0.2)

    def forward(self, dense: Tensor, _sparse: Tensor) -> Tensor:
        return self.layer(dense)


class Constant(nn.Module):
    """A model that counts its epochs; its validation AUCs are patched to be ``aucs``."""

    def __init__(self, aucs: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("epoch", torch.zeros(1))
        self.aucs = aucs

    def train(self, mode: bool = True) -> "Constant":
        if mode:
            self.epoch += 1
        return super().train(mode)

    def forward(self, dense: Tensor, _sparse: Tensor) -> Tensor:
        return dense * self.weight


def run(model: nn.Module, **changes: Any) -> list[Epoch]:
    return fit(model, TRAIN, VALIDATION, schedule(**changes), seed=0)
