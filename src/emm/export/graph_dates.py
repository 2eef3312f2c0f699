"""Features of dates as operators of ONNX: see `emm.data.custom.dates`."""

from collections.abc import Sequence

from emm.core.errors import ParamsError
from emm.data.tables.inputs import Input
from emm.export.nodes import Nodes


def date_features(
    nodes: Nodes, given: Input, text: str, names: Sequence[str]
) -> dict[str, str]:
    """The features of a column of dates [B, 1], by their names."""
    raise ParamsError(f"the column {given.name!r} holds dates, which can't be exported")
