"""Several heads that predict the same tasks: their loss in training, their mean in prediction.

Shapes: K heads.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid

from emm.data.tables.outputs import split_outputs
from emm.data.tables.schema import BINARY, CLASSES, REGRESSION


def each_head(
    logits: Tensor, targets: Tensor, weights: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Each head of a row as a row of its own: logits [B, K, O] -> [B*K, O], and the targets
    [B, ...] and weights [B] of the rows repeated. Logits [B, O] stay as they are.

    The mean loss of these rows is the mean over rows and heads.
    """
    if logits.dim() == 2:
        return logits, targets, weights
    heads = logits.shape[1]
    own = None if weights is None else _repeated(weights, heads)
    return logits.flatten(0, 1), _repeated(targets, heads), own


def mean_of_heads(logits: Tensor, outputs: Sequence[int] = (), kinds: Sequence[str] = ()) -> Tensor:
    """The logits of the mean of the heads' probabilities; of a regression the mean of their
    outputs: [B, K, O] -> [B, O].

    ``outputs``: number of logits of each task, () if each has one; ``kinds``: of each task, () if
    tasks of one logit are binary.
    """
    parts = split_outputs(logits, outputs)
    every = kinds or [CLASSES if each.shape[2] > 1 else BINARY for each in parts]
    return torch.cat([_mean(each, kind) for each, kind in zip(parts, every, strict=True)], dim=1)


def _mean(logits: Tensor, kind: str) -> Tensor:
    """One task: [B, K, C] -> [B, C]. The logarithms of sums over heads are those of means, up to
    a constant that cancels or that a softmax ignores."""
    if kind == REGRESSION:
        return logits.mean(dim=1)
    if kind == CLASSES:
        return log_softmax(logits, dim=2).logsumexp(dim=1)
    return logsigmoid(logits).logsumexp(dim=1) - logsigmoid(-logits).logsumexp(dim=1)


def _repeated(rows: Tensor, heads: int) -> Tensor:
    return rows.unsqueeze(1).expand(-1, heads, *rows.shape[1:]).flatten(0, 1)
