"""Independent streams of random numbers derived from one seed."""

import hashlib

import torch

STREAMS = ("init", "order", "dropout")


def derive(seed: int, stream: str, *names: object) -> int:
    """A 63-bit seed for one stream of a run; ``names`` distinguish runs with the same seed.

    Drawing more numbers from one stream, as a wider layer does, leaves the others unchanged.
    """
    text = "/".join(str(part) for part in (seed, stream, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_init(seed: int, *names: object) -> None:
    """Seed the generator from which layers draw their first weights."""
    torch.manual_seed(derive(seed, "init", *names))


def seed_dropout(seed: int, *names: object) -> None:
    """Seed the generators of all devices, from which dropout draws."""
    torch.manual_seed(derive(seed, "dropout", *names))


def order_generator(seed: int, device: torch.device, *names: object) -> torch.Generator:
    """A separate generator for the order of batches."""
    return torch.Generator(device).manual_seed(derive(seed, "order", *names))
