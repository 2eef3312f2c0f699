"""MMoE and PLE of FuxiCTR, which its package on PyPI lacks, from the package's own blocks.

After model_zoo/multitask/{MMoE,PLE}/src in github.com/reczoo/FuxiCTR 2.3.10 (Apache License 2.0):
the same layers, in the same order and with the same names.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from fuxictr.features import FeatureMap
from fuxictr.pytorch.layers import FeatureEmbedding, MLP_Block
from fuxictr.pytorch.models import MultiTaskModel
from torch import Tensor, nn

Batch = Mapping[str, Tensor]


def _block(in_width: int, widths: Sequence[int], output: int | None = None) -> nn.Module:
    block: nn.Module = MLP_Block(in_width, [*widths], output_dim=output, batch_norm=True)
    return block


def _blocks(count: int, in_width: int, widths: Sequence[int], output: int | None = None) -> Any:
    return nn.ModuleList(_block(in_width, widths, output) for _ in range(count))


def _mix(gate: Tensor, experts: Sequence[Tensor]) -> Tensor:
    """gate [B, K], K experts [B, H] -> [B, H]"""
    stacked = torch.stack([*experts], dim=1)
    return torch.sum(gate.softmax(dim=-1).unsqueeze(-1) * stacked, dim=1)


class _Network(MultiTaskModel):  # type: ignore[misc]
    """What both models have in common: embedded features, towers, and the library's trainer."""

    def __init__(self, features: FeatureMap, sizes: Mapping[str, Any], folder: str) -> None:
        self.count = len(features.labels)
        super().__init__(
            features,
            task=["binary_classification"] * self.count,
            num_tasks=self.count,
            metrics=["AUC"],
            model_root=folder,
            verbose=0,
        )
        width = sizes["embedding_dim"]
        self.embedding_layer = FeatureEmbedding(features, width)
        self.width = width * features.num_fields
        self.add_layers(sizes)
        self.tower = _blocks(self.count, sizes["expert"][-1], sizes["tower"], 1)
        self.compile("adam", "binary_crossentropy", 1e-3)
        self.reset_parameters()
        self.model_to_device()

    def add_layers(self, sizes: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def mixed(self, x: Tensor) -> Sequence[Tensor]:
        """x [B, width] -> what each task's tower reads, [B, H] each"""
        raise NotImplementedError

    def forward(self, inputs: Batch) -> dict[str, Tensor]:
        x = self.embedding_layer(self.get_inputs(inputs)).flatten(start_dim=1)
        found = self.mixed(x)
        return {
            f"{label}_pred": self.output_activation[n](self.tower[n](found[n]))
            for n, label in enumerate(self.feature_map.labels)
        }


class MMoE(_Network):
    """One set of experts, and a gate for each task."""

    def add_layers(self, sizes: Mapping[str, Any]) -> None:
        self.experts = _blocks(sizes["experts"], self.width, sizes["expert"])
        self.gate = _blocks(self.count, self.width, [], sizes["experts"])

    def mixed(self, x: Tensor) -> Sequence[Tensor]:
        experts = [expert(x) for expert in self.experts]
        return [_mix(gate(x), experts) for gate in self.gate]


class _Level(nn.Module):
    """Specific and shared experts; the shared gate reads the shared experts only."""

    def __init__(self, tasks: int, in_width: int, sizes: Mapping[str, Any]) -> None:
        super().__init__()
        own, shared = sizes["specific_experts"], sizes["shared_experts"]
        expert = sizes["expert"]
        self.shared_experts = _blocks(shared, in_width, expert)
        self.specific_experts = nn.ModuleList(_blocks(own, in_width, expert) for _ in range(tasks))
        outputs = [own + shared] * tasks + [shared]
        self.gate = nn.ModuleList(_block(in_width, [], each) for each in outputs)

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        """T + 1 inputs [B, in] -> T + 1 outputs [B, H]"""
        shared = [expert(x[-1]) for expert in self.shared_experts]
        specific = [
            [expert(own) for expert in experts]
            for own, experts in zip(x[:-1], self.specific_experts, strict=True)
        ]
        sets = [*([*own, *shared] for own in specific), shared]
        return [
            _mix(gate(own), experts) for gate, own, experts in zip(self.gate, x, sets, strict=True)
        ]


class PLE(_Network):
    """Levels of specific and shared experts."""

    def add_layers(self, sizes: Mapping[str, Any]) -> None:
        widths = [self.width] + [sizes["expert"][-1]] * (sizes["levels"] - 1)
        self.cgc_layers = nn.ModuleList(_Level(self.count, width, sizes) for width in widths)

    def mixed(self, x: Tensor) -> Sequence[Tensor]:
        found: Sequence[Tensor] = [x] * (self.count + 1)
        for level in self.cgc_layers:
            found = level(found)
        return found
