import pytest
import torch

from emm.automtl.supernet import Supernet
from tests.automtl.tiny import INPUTS, NETWORK, SPACE


@pytest.mark.parametrize("chance", [0.5, 0.9])
def test_every_gate_is_open_with_the_probability_open_at_start(chance: float) -> None:
    supernet = Supernet(INPUTS, 2, **NETWORK, **SPACE, open_at_start=chance)
    fields, interactions, experts = supernet.selection_logits()
    gates = torch.cat([each.flatten() for each in (fields, interactions, *experts)])
    torch.testing.assert_close(gates.sigmoid(), torch.full_like(gates, chance))
