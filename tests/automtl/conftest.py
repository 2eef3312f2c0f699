"""The tests of AutoMTL's network share the cases of the other networks."""

from tests.models.conftest import case, plain, small, tasks

__all__ = ["case", "plain", "small", "tasks"]
