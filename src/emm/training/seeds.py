"""Separate streams of random numbers out of one seed."""

import hashlib

import torch

STREAMS = ("init", "order", "dropout")


def derive(seed: int, stream: str, *names: object) -> int:
    """A 63-bit seed for one stream of a run; ``names`` tell apart the models of one run.

    Drawing more from one stream (a wider layer, say) leaves the others as they were.
    """
    text = "/".join(str(part) for part in (seed, stream, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_init(seed: int, *names: object) -> None:
    """Seed the generator that layers draw their first weights from."""
    torch.manual_seed(derive(seed, "init", *names))


def seed_dropout(seed: int, *names: object) -> None:
    """Seed the generators of all devices that dropout draws from."""
    torch.manual_seed(derive(seed, "dropout", *names))


def order_generator(seed: int, device: torch.device, *names: object) -> torch.Generator:
    """A generator of its own for the order of batches."""
    return torch.Generator(device).manual_seed(derive(seed, "order", *names))
