"""Fixtures of the tests of training."""

from tests.fusion.fusing import components

__all__ = ["components"]
