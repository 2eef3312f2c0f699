"""MAML's network for Omniglot: strided convolutions with batch norm (Finn et al. 2017, 5.2).

Batch norm uses the statistics of the current images in training and in test; it keeps no running
statistics. The query images of an episode are normalised together, so a prediction depends on all
of them: MAML's transductive setting.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

_EPSILON = 1e-3
_KERNEL = 3  # side in pixels


def conv_batch_norm(hidden: Tensor, weight: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """3 x 3 convolution with stride 2, then batch norm: [N, G, P, P], [H, G, 3, 3] -> [N, H, p, p].

    Batch norm is written out because torch's `batch_norm` is slower when vectorised over tasks and
    differentiated twice.
    """
    output = conv2d(hidden, weight, stride=2, padding=1)
    deviation = output - output.mean((0, 2, 3), keepdim=True)
    variance = deviation.square().mean((0, 2, 3), keepdim=True)
    factor = (variance + _EPSILON).rsqrt() * scale[:, None, None]
    return deviation * factor + shift[:, None, None]


def conv_batch_norm_images(images: Tensor, weight: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """`conv_batch_norm` of images [N, 1, P, P], with batch norm folded into the convolution.

    The convolution's output is linear in the 3 x 3 patches, so its mean and variance follow from
    the mean and covariance of the patches. This saves the passes over the largest hidden layer.
    """
    pick = torch.eye(_KERNEL**2, dtype=images.dtype, device=images.device)
    patches = conv2d(images, pick.view(-1, 1, _KERNEL, _KERNEL), stride=2, padding=1)
    rows = patches.transpose(0, 1).flatten(1)  # [9, N·p·p]
    mean = rows.mean(1)
    deviation = rows - mean[:, None]
    covariance = deviation @ deviation.T / rows.shape[1]  # [9, 9]
    kernels = weight.flatten(1)  # [H, 9]
    variance = (kernels @ covariance * kernels).sum(1)
    factor = (variance + _EPSILON).rsqrt() * scale
    bias = shift - kernels @ mean * factor
    return conv2d(images, weight * factor[:, None, None, None], bias, stride=2, padding=1)


class Block(nn.Module):
    """3 x 3 convolution with stride 2, batch norm and ReLU.

    The convolution has no bias, which batch norm would cancel. Its weights are initialised with
    Glorot's uniform distribution.
    """

    def __init__(self, channels: int, filters: int, *, on_images: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(filters, channels, _KERNEL, _KERNEL))
        bound = math.sqrt(6 / (_KERNEL**2 * (channels + filters)))
        nn.init.uniform_(self.weight, -bound, bound)
        self.scale = nn.Parameter(torch.ones(filters))
        self.shift = nn.Parameter(torch.zeros(filters))
        self._conv_batch_norm = conv_batch_norm_images if on_images else conv_batch_norm

    def forward(self, hidden: Tensor) -> Tensor:
        """[N, G, P, P] -> [N, H, p, p] with p = P / 2, rounded up."""
        return self._conv_batch_norm(hidden, self.weight, self.scale, self.shift).relu()


class FewShotNetwork(nn.Module):
    """Convolution blocks and a linear layer that gives a logit per class.

    ``ways``: number of classes; ``side``: image side in pixels; ``filters``: channels of each of
    ``blocks`` blocks; ``pooled``: the linear layer reads the mean over positions, as in MAML's
    reference code, instead of every position. Its weights are initialised from a normal
    distribution with standard deviation 0.01.
    """

    def __init__(
        self, *, ways: int, side: int, filters: int = 64, blocks: int = 4, pooled: bool = True
    ) -> None:
        super().__init__()
        channels = (1, *[filters] * (blocks - 1))
        self.features = nn.Sequential(
            *(Block(count, filters, on_images=number == 0) for number, count in enumerate(channels))
        )
        self.pooled = pooled
        last_side = -(-side // 2**blocks)
        self.head = nn.Linear(filters if pooled else filters * last_side**2, ways)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        """[N, 1, P, P] -> logits [N, W]."""
        hidden = self.features(images)  # [N, H, p, p]
        features = hidden.mean((2, 3)) if self.pooled else hidden.flatten(1)
        logits: Tensor = self.head(features)
        return logits
