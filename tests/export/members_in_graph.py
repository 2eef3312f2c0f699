"""The inputs of a member over a table, and its output by onnxruntime."""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from emm.data.tables.kinds import kind_of_type
from emm.export.columns import GraphInput
from emm.export.feed import feed
from emm.export.graph_raw import RawColumn, RawColumns
from emm.export.member_inputs import MemberInputs
from emm.export.nodes import Nodes
from tests.export.computing import compute


def in_graph(
    table: pl.DataFrame,
    columns: Mapping[str, str],
    output: Callable[[Nodes, MemberInputs], str],
    rows: pl.DataFrame | None = None,
    nothing: Callable[[], np.ndarray] = lambda: np.array(np.nan),
) -> np.ndarray:
    """What a member makes of ``rows``, ``nothing`` where they are unusable.

    ``table``: has the kinds of the columns; ``columns``: the column or expression of each input.
    """
    kinds = {name: kind_of_type(dtype) or "text" for name, dtype in table.schema.items()}
    inputs = [
        GraphInput(f"in_{number}", name, "member", "text", "")
        if kind == "text"
        else GraphInput(f"in_{number}", name, "member", "double")
        for number, (name, kind) in enumerate(kinds.items())
    ]
    nodes = Nodes()
    raw = RawColumns(nodes, [RawColumn(each.name, each) for each in inputs], (), ())
    member = MemberInputs(raw, columns, kinds, "fusion.pool.m")
    found = output(nodes, member)
    for unusable in member.unusable:
        found = nodes.add("Where", [unusable, nodes.constant(nothing()), found])
    return compute(nodes, feed(table if rows is None else rows, inputs), found)
