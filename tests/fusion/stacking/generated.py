"""Generated rows of a task, and members that know different parts of what its label depends on."""

from dataclasses import replace

import torch
from torch import Tensor

from emm.data.tables.schema import BINARY, CLASSES, REGRESSION
from emm.fusion.stacking.rows import TaskRows
from emm.nn.inputs import Inputs

INPUTS = Inputs(2, (3, 4), ((0.0, 0.25, 0.5, 0.75), (0.0, 0.5)))
FOLDS = 4


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def features(count: int) -> tuple[Tensor, Tensor]:
    """dense [N, 2], sparse [N, 2]."""
    sparse = [torch.randint(0, c, (count,), generator=generator(c)) for c in INPUTS.cardinalities]
    return torch.rand(count, 2, generator=generator(9)), torch.stack(sparse, 1).int()


def rows(logits: Tensor, truth: Tensor, *, kind: str = BINARY, seed: int = 0) -> TaskRows:
    """Rows of a binary task or a regression with the true logit or mean ``truth`` [N].

    logits: of the members, [N, M] or [N, M, C].
    """
    count = len(truth)
    if kind == BINARY:
        labels = torch.bernoulli(truth.sigmoid(), generator=generator(seed)).float()
    elif kind == REGRESSION:
        labels = truth + torch.randn(count, generator=generator(seed))
    else:
        labels = torch.distributions.Categorical(logits=logits[:, 0]).sample().float()
    dense, sparse = features(count)
    return TaskRows(
        logits=logits if logits.dim() == 3 else logits.unsqueeze(2),
        dense=dense,
        sparse=sparse,
        others=torch.zeros(count, 0),
        labels=labels,
        kind=kind,
        folds=torch.arange(count) % FOLDS,
        groups=torch.arange(count),
    )


def noise(count: int, *shape: int, seed: int = 1) -> Tensor:
    return torch.randn(count, *shape, generator=generator(seed))


def any_rows(kind: str, count: int = 400) -> TaskRows:
    """Three members of any kind of task; weighted rows."""
    outputs = 3 if kind == CLASSES else 1
    torch.manual_seed(3)
    logits = noise(count, 3, outputs)
    found = rows(logits, logits[:, 0, 0], kind=kind)
    return replace(found, weights=0.5 + torch.rand(count, generator=generator(5)))
