"""The schema of generated processed data."""

from collections.abc import Sequence

from emm.data.tables.schema import FORMAT, DenseColumn, Schema, SparseColumn


def generated_schema(tasks: Sequence[str], dense: int, cardinalities: Sequence[int]) -> Schema:
    """Dense columns x0, x1, ... in [0, 1], and sparse columns c0, c1, ..."""
    edges = (0.25, 0.5, 0.75)
    return Schema(
        format=FORMAT,
        dataset="generated",
        title="Generated",
        licence="",
        origin="",
        tasks=tuple(tasks),
        key=None,
        weight=None,
        dense=tuple(
            DenseColumn(f"x{n}", 0.0, 1.0, 0.5, 0.3, 0, constant=False, quantiles=edges)
            for n in range(dense)
        ),
        sparse=tuple(
            SparseColumn(f"c{n}", size, 0, constant=False) for n, size in enumerate(cardinalities)
        ),
        splits={},
        vocabularies={},
    )
