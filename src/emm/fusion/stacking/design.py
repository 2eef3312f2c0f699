"""The features of `AdditiveFeatures` as one sparse matrix, in which a fit is fast."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emm.fusion.stacking.combination import AdditiveFeatures, Combination
from emm.nn.inputs import Inputs

Array = NDArray[np.float64]


def design(inputs: Inputs, dense: Tensor, sparse: Tensor) -> Any:
    """dense [N, D], sparse [N, F] -> a sparse matrix [N, K] of the ids' indicators, those of the
    bins of dense features, and the dense features.

    Its product with the weights of `taken` is what `AdditiveFeatures` gives.
    """
    from scipy.sparse import csr_array  # imported here, as it takes most of a second

    layer = AdditiveFeatures(inputs, 1)
    rows, places, values = len(dense), list[Tensor](), list[Tensor]()
    width = 0
    if layer.table is not None:
        places.append(sparse[:, : layer.fields].long() + layer.table.offsets.long())
        values.append(torch.ones(rows, layer.fields))
        width += len(layer.table.weight)
    if layer.bins is not None:
        features, bins, _ = layer.bins.weight.shape
        shares = layer.bins.shares(dense)  # [N, D, Q] of one 1 each
        places.append(shares.argmax(2) + torch.arange(features) * bins + width)
        values.append(torch.ones(rows, features))
        width += features * bins
    if layer.lines is not None:
        places.append(torch.arange(inputs.dense).expand(rows, -1) + width)
        values.append(dense)
        width += inputs.dense
    columns = torch.cat([torch.zeros(rows, 0, dtype=torch.int64), *places], dim=1)
    entries = torch.cat([torch.zeros(rows, 0), *values], dim=1).double()
    starts = np.arange(rows + 1) * columns.shape[1]
    return csr_array((entries.numpy().ravel(), columns.numpy().ravel(), starts), (rows, width))


def taken(model: Combination) -> Array:
    """The weights [K, M + C] of a combination's features, by column of `design`."""
    parts = [_by_column(each) for each in _weights(model)]
    return np.concatenate([each.detach().double().numpy() for each in parts])


@torch.no_grad()
def put(model: Combination, weights: Array) -> None:
    """Give a combination the ``weights`` [K, M + C] of its features."""
    start = 0
    for weight in _weights(model):
        own = _by_column(weight)
        stop = start + len(own)
        own.copy_(torch.from_numpy(weights[start:stop]))  # a view of the weight
        start = stop


def _weights(model: Combination) -> Iterator[Tensor]:
    """The weights in the order of the columns."""
    layer = model.features
    assert layer is not None
    if layer.table is not None:
        yield layer.table.weight
    if layer.bins is not None:
        yield layer.bins.weight
    if layer.lines is not None:
        yield layer.lines.weight.T


def _by_column(weight: Tensor) -> Tensor:
    """[D, Q, W] -> [D*Q, W]; [K, W] stays."""
    return weight.flatten(0, 1) if weight.dim() == 3 else weight
