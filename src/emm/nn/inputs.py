"""What a model reads: the number of dense features and the size of each sparse field."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Inputs:
    """Shape of a dataset's features.

    ``dense``: number of dense features D. ``cardinalities``: for each of the F sparse fields the
    number of ids, 0 (unknown or rare) included; ids are 0..cardinality-1. ``edges``: for each
    dense feature the rising quantiles of train, in the units that models read.
    """

    dense: int
    cardinalities: tuple[int, ...]
    edges: tuple[tuple[float, ...], ...] = ()
