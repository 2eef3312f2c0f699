"""The features a model reads: how many, and how many ids each sparse field has."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Inputs:
    """Shape of a dataset's features.

    Attributes:
        dense: number of dense features, D.
        cardinalities: number of ids of each of the F sparse fields. Ids run from 0, which stands
            for unknown and rare values, to cardinality - 1.
        edges: quantiles of each dense feature in train, ascending, in the units that models read.
        bags: number of ids of each multi-valued field. If there are any, the sparse input has one
            more column, the owner of the row's bags (`emm.nn.bags`).
    """

    dense: int
    cardinalities: tuple[int, ...]
    edges: tuple[tuple[float, ...], ...] = ()
    bags: tuple[int, ...] = ()

    @property
    def sparse(self) -> int:
        """Number of columns of the sparse input: F, or F + 1 with bags."""
        return len(self.cardinalities) + bool(self.bags)
