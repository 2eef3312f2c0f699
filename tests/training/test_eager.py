import subprocess
import sys

import pytest
import torch
from torch import nn

from emm.training.eager import eager

KINDS = [torch.optim.Adam, torch.optim.AdamW, torch.optim.SparseAdam]
WITHOUT_COMPILER = """
import sys, torch
from emm.training.eager import eager
kind = eager(getattr(torch.optim, sys.argv[1]))
table = torch.nn.Embedding(3, 2, sparse=sys.argv[1] == "SparseAdam")
optimiser = kind(table.parameters(), lr=0.1)
optimiser.zero_grad()
table(torch.tensor([0, 2])).sum().backward()
optimiser.step()
optimiser.load_state_dict(optimiser.state_dict())
print("torch._dynamo" in sys.modules)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_no_step_imports_the_compiler(kind: type[torch.optim.Optimizer]) -> None:
    command = [sys.executable, "-c", WITHOUT_COMPILER, kind.__name__]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"


@pytest.mark.parametrize("kind", KINDS)
def test_the_weights_equal_those_of_torch(kind: type[torch.optim.Optimizer]) -> None:
    tables = []
    for each in (kind, eager(kind)):
        torch.manual_seed(1)
        table = nn.Embedding(5, 4, sparse=kind is torch.optim.SparseAdam)
        optimiser = each(table.parameters(), lr=0.1)  # type: ignore[call-arg]
        for step in range(6):
            optimiser.zero_grad()
            (table(torch.tensor([step % 5, 2])) - step).square().sum().backward()
            optimiser.step()
        tables.append(table.weight)
    assert torch.equal(*tables)


def test_a_step_leaves_gradients_enabled() -> None:
    line = nn.Linear(2, 1)
    optimiser = eager(torch.optim.Adam)(line.parameters(), lr=0.1)
    line(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    assert torch.is_grad_enabled()
