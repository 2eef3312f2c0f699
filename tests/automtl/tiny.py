"""A small supernet with random gates and operators."""

from typing import Any

import torch
from torch import Tensor

from emm.automtl.discretise import likeliest
from emm.automtl.export import Found, decide, exported_weights
from emm.automtl.network import AutoMTL
from emm.automtl.space import plain
from emm.automtl.supernet import Supernet
from emm.nn.inputs import Inputs

INPUTS = Inputs(2, (4, 2, 5), edges=((0.2, 0.5), (0.1, 0.4, 0.7)))
NETWORK: dict[str, Any] = {"embedding_dim": 3, "tower": (6,), "dropout": 0.0}
SPACE: dict[str, Any] = {
    "levels": 2,
    "experts": 3,
    "layers": 2,
    "width": 4,
    "operators": ("identity", "mlp-16", "mlp-32"),
}


def batch(rows: int = 16) -> tuple[Tensor, Tensor]:
    """dense [B, D], sparse [B, F]."""
    ids = [torch.randint(0, size, (rows,)) for size in INPUTS.cardinalities]
    return torch.rand(rows, INPUTS.dense), torch.stack(ids, dim=1).int()


def supernet(seed: int = 0, tasks: int = 2, **changes: Any) -> Supernet:
    """A supernet with random gates and operators, and the statistics of a few batches."""
    torch.manual_seed(seed)
    made = Supernet(INPUTS, tasks, **{**NETWORK, **SPACE, **changes})
    with torch.no_grad():
        for parameter in made.architecture_parameters():
            parameter.normal_(std=2.0)
        made.front.table.weight.normal_()
    for _ in range(3):
        made(*batch(32))
    return made


def exported(made: Supernet, **changes: Any) -> tuple[Found, AutoMTL]:
    """The architecture of the more likely values, and its model with the supernet's weights."""
    found = decide(made, likeliest(made))
    model = AutoMTL(
        INPUTS,
        len(found.architecture.tasks),
        architecture=plain(found.architecture),
        **{**NETWORK, **changes},
    )
    model.load_state_dict(exported_weights(made, found))
    return found, model
