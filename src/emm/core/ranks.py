"""Processes that torchrun starts together: the first one alone writes files and speaks."""

import os


def rank() -> int:
    """This process's number among them, 0 if it is alone."""
    return int(os.environ.get("RANK", "0"))


def processes() -> int:
    """How many there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))
