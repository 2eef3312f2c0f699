"""The tests of AutoMTL's network share the cases of the other networks."""

import pytest
import torch

from tests.models.conftest import case, plain, small, tasks

__all__ = ["case", "plain", "small", "tasks"]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
