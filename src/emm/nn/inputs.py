"""What a model reads: the number of dense features and the size of each sparse field."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Inputs:
    """Shape of a dataset's features.

    ``dense``: number of dense features D. ``cardinalities``: for each of the F sparse fields the
    number of ids, 0 (unknown or rare) included; ids are 0..cardinality-1. ``edges``: for each
    dense feature the rising quantiles of train, in the units that models read. ``bags``: number of
    ids of each multi-valued field; where there are any, ``sparse`` has one more column, which says
    whose bags a row has (`emm.nn.bags`).
    """

    dense: int
    cardinalities: tuple[int, ...]
    edges: tuple[tuple[float, ...], ...] = ()
    bags: tuple[int, ...] = ()

    @property
    def sparse(self) -> int:
        """Number of columns of the sparse input: F, and one more where there are bags."""
        return len(self.cardinalities) + bool(self.bags)
