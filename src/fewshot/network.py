"""MAML's network for Omniglot: strided convolutions with batch norm (Finn et al. 2017, 5.2).

Batch norm normalises by the images at hand, in training and in test; there are no running
statistics. The query images of an episode are normalised together, so that a prediction depends on
all of them: MAML's transductive setting.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

_EPSILON = 1e-3
_SIDE = 3  # of a kernel


def convolved(hidden: Tensor, weight: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Convolution with stride 2, then batch norm: [N, G, P, P], [H, G, 3, 3] -> [N, H, p, p].

    Written out: batched over tasks and differentiated twice, `batch_norm` of torch is slower.
    """
    output = conv2d(hidden, weight, stride=2, padding=1)
    deviation = output - output.mean((0, 2, 3), keepdim=True)
    variance = deviation.square().mean((0, 2, 3), keepdim=True)
    factor = (variance + _EPSILON).rsqrt() * scale[:, None, None]
    return deviation * factor + shift[:, None, None]


def convolved_images(images: Tensor, weight: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """The same for images [N, 1, P, P], with batch norm folded into the convolution.

    A convolution's output is linear in the 3 x 3 patches, so that its mean and variance follow from
    theirs, which nothing learned changes. It saves the passes over the largest hidden layer.
    """
    pick = torch.eye(_SIDE**2, dtype=images.dtype, device=images.device)
    patches = conv2d(images, pick.view(-1, 1, _SIDE, _SIDE), stride=2, padding=1)
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
    """A 3 x 3 convolution with stride 2, batch norm and ReLU.

    A bias before batch norm would do nothing, so that the convolution has none. Its first weights
    are Glorot's uniform ones.
    """

    def __init__(self, channels: int, filters: int, *, on_images: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(filters, channels, _SIDE, _SIDE))
        bound = math.sqrt(6 / (_SIDE**2 * (channels + filters)))
        nn.init.uniform_(self.weight, -bound, bound)
        self.scale = nn.Parameter(torch.ones(filters))
        self.shift = nn.Parameter(torch.zeros(filters))
        self._convolved = convolved_images if on_images else convolved

    def forward(self, hidden: Tensor) -> Tensor:
        """[N, G, P, P] -> [N, H, p, p], p half of P rounded up."""
        return self._convolved(hidden, self.weight, self.scale, self.shift).relu()


class FewShotNetwork(nn.Module):
    """``blocks`` of ``filters`` channels; then a linear layer with a logit for each of ``ways``
    classes, which reads the mean over positions (``pooled``, as in MAML's own code) or every
    position.

    ``side``: of the images, in pixels. The linear layer's first weights are normal with deviation
    0.01.
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
        left = -(-side // 2**blocks)
        self.head = nn.Linear(filters if pooled else filters * left**2, ways)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        """[N, 1, P, P] -> logits [N, W]."""
        hidden = self.features(images)  # [N, H, p, p]
        read = hidden.mean((2, 3)) if self.pooled else hidden.flatten(1)
        logits: Tensor = self.head(read)
        return logits
