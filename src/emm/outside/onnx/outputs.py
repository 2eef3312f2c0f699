"""Which of a model's outputs is its prediction."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emm.core.errors import ModelFileError, ParamsError, nearest
from emm.core.onnx_packages import onnx_library
from emm.outside.onnx.graph import Graph

_COLUMN = re.compile(r"^(?P<name>.*\S)\s*\[\s*:\s*,\s*(?P<column>-?\d+)\s*\]$")

ZIP_MAP = "ai.onnx.ml.ZipMap"


@dataclass(frozen=True)
class Chosen:
    """A prediction: its output as the user names it, the tensor, and its column if one is named.

    ``classes``: what its columns stand for, () if the file doesn't say.
    """

    name: str
    tensor: str
    column: int | None
    classes: tuple[str, ...]


def choose_output(path: Path, model: Any, graph: Graph, output: str | None) -> Chosen:
    """The output called ``output``, ``NAME`` or ``NAME[:, COLUMN]``; else the only one of numbers.

    scikit-learn's dictionaries of probabilities (ZipMap) are read as their matrix. Raises
    ModelFileError if there isn't exactly one candidate, ParamsError for an unknown name.
    """
    found = {each.name: each for each in _candidates(model, graph)}
    if not found:
        raise ModelFileError(
            f"{path} has no output of numbers",
            where=path,
            got=", ".join(each.name for each in model.graph.output),
            expected="a probability, a logit or a value of each row",
            next_step="export the classifier with its probabilities",
        )
    if output is None:
        if len(found) > 1:
            raise ModelFileError(
                f"{path} has several outputs of numbers",
                where=path,
                got=", ".join(found),
                expected="one of them by name",
                next_step=f"add `output: {next(iter(found))}` to its entry, or a column of it: "
                "`output: NAME[:, COLUMN]`",
            )
        return next(iter(found.values()))
    match = None if output in found else _COLUMN.match(output)
    name = match["name"] if match else output
    if name not in found:
        raise ParamsError(
            f"{path} has no output {name!r} of numbers; {nearest(name, found)}",
            where=path,
            got=output,
            expected=f"one of {', '.join(found)}, or a column of it: NAME[:, 1]",
            next_step="correct `output`",
        )
    chosen = found[name]
    column = int(match["column"]) if match else None
    return Chosen(output, chosen.tensor, column, chosen.classes)


def _candidates(model: Any, graph: Graph) -> list[Chosen]:
    """The outputs that hold floating-point numbers."""
    types = onnx_library().TensorProto
    floats = (types.FLOAT, types.DOUBLE, types.FLOAT16)
    candidates = []
    for output in model.graph.output:
        node = graph.producers.get(output.name)
        if node is not None and node.op == ZIP_MAP:
            labels = node.attribute("classlabels_strings") or node.attribute("classlabels_int64s")
            classes = tuple(map(str, labels or ()))
            candidates.append(Chosen(output.name, node.inputs[0], None, classes))
        elif output.type.tensor_type.elem_type in floats:
            candidates.append(Chosen(output.name, output.name, None, ()))
    return candidates
