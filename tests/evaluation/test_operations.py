import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

from emm.evaluation.operations import count_operations

WITHOUT_COMPILER = """
import sys, torch
from emm.evaluation.operations import count_operations
print(count_operations(torch.nn.Linear(3, 2), [torch.ones(1, 3)]), "torch._dynamo" in sys.modules)
"""


class Products(nn.Module):
    """One product by each function that the models use."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.line, self.weight = nn.Linear(4, 4), nn.Parameter(torch.ones(3, 4, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [3, 2, 4]"""
        if self.name == "linear":
            return self.line(x)
        if self.name == "einsum":
            return torch.einsum("ebh,eho->ebo", x, self.weight)
        if self.name == "baddbmm":
            return torch.baddbmm(x.new_zeros(3, 2, 5), x, self.weight)
        if self.name == "attention":
            return scaled_dot_product_attention(x, x, x)
        if self.name == "convolution":
            return nn.functional.conv1d(x, x)
        return x.exp().mean(0) / 2 + self.line.bias


NAMES = ["linear", "einsum", "baddbmm", "attention", "convolution", "none"]


@pytest.mark.filterwarnings("ignore")  # of what the counter of torch imports
@pytest.mark.parametrize("name", NAMES)
def test_as_many_operations_as_the_counter_of_torch_finds(name: str) -> None:
    model, x = Products(name).requires_grad_(requires_grad=False), torch.ones(3, 2, 4)
    with FlopCounterMode(display=False) as counter:
        model(x)
    assert count_operations(model, [x]) == counter.get_total_flops()


def test_a_product_has_two_operations_for_each_weight() -> None:
    assert count_operations(nn.Linear(7, 5), [torch.ones(3, 7)]) == 3 * 2 * 7 * 5


def test_counting_does_not_import_the_compiler() -> None:
    command = [sys.executable, "-c", WITHOUT_COMPILER]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout == "12 False\n"
