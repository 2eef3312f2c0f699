"""The check that a network predicts the same after it has been taken apart and rebuilt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emm.core.errors import DecompositionError
from emm.data.tables.rows import Rows, RowTensors
from emm.fusion.calls import recording
from emm.fusion.layers import run, trace
from emm.fusion.members import DecomposedNetwork
from emm.nn.inputs import Inputs

ROWS = 1000
SINGLE_ROWS = 25
TOLERANCE = 1e-5
ACROSS_BATCHES = 1e-3
"""Between batches of different sizes, which sum in another order."""

EXPORT = (
    "or export the network to ONNX: "
    "`rows = (torch.zeros(2, D), torch.zeros(2, F, dtype=torch.int32))`, "
    "`torch.onnx.export(model.eval(), rows, 'pool/NAME.onnx', input_names=['dense', 'sparse'], "
    "dynamic_shapes=[{0: 'rows'}, {0: 'rows'}])`, and write `model: pool/NAME.onnx` and "
    "`columns: encoded` instead of factory and weights"
)
"""The way out for a network whose forward does more than calling its modules."""


def sample(rows: Rows, count: int = ROWS) -> RowTensors:
    """``count`` rows spread evenly over a split, or all of a smaller one."""
    index = torch.linspace(0, len(rows) - 1, min(count, len(rows)), device=rows.labels.device)
    return next(rows.rows(index.round().long().unique()).in_order(count))


@dataclass(frozen=True)
class Checked:
    """A network to be checked: the original, as trained, and as it was rebuilt.

    ``ending``: what turned the logits of the original into its output, if it was cut off.
    """

    name: str
    original: nn.Module
    rebuilt: DecomposedNetwork
    ending: Callable[[Tensor], Tensor] | None = None


@torch.no_grad()
def require_same(network: Checked, rows: RowTensors, inputs: Inputs) -> float:
    """The largest difference between the original's and the rebuilt network's output.

    Raises DecompositionError if it is larger than 1e-5 for any row, or if the original's prediction
    of a row isn't the same each time, or depends on the other rows of its batch.
    """
    columns = (rows.dense, rows.sparse)
    network.original.eval()
    network.rebuilt.eval()
    expected = _finite(network.name, run(network.original, columns, network.name))
    _require_steady(network, columns, expected)
    try:
        found = _output(network, columns)
    except Exception as error:  # the layers' own code may raise anything
        raise _differs(network, f"an error when its layers are called in turn: {error}") from error
    if found.shape != expected.shape:
        raise _differs(network, f"the shape {list(found.shape)}, not {list(expected.shape)}")
    difference = _distance(found, expected)
    if difference > TOLERANCE:
        where = _first_difference(network, columns, inputs)
        raise _differs(
            network, f"a difference of {difference:.2g} in {len(rows):,} rows of validation{where}"
        )
    for number in _spread(len(rows)):
        one = tuple(column[number : number + 1] for column in columns)
        single = _distance(_output(network, one), run(network.original, one, network.name))
        if single > TOLERANCE:
            raise _differs(network, f"a difference of {single:.2g} for a row by itself")
    return difference


def _output(network: Checked, columns: Sequence[Tensor]) -> Tensor:
    logits: Tensor = network.rebuilt(*(column.clone() for column in columns))
    return network.ending(logits) if network.ending else logits


def _require_steady(network: Checked, columns: tuple[Tensor, ...], expected: Tensor) -> None:
    """Refuse predictions that depend on chance, or on the other rows of the batch."""
    again = run(network.original, columns, network.name)
    if _distance(again, expected) > TOLERANCE:
        raise DecompositionError(
            f"{network.name} predicts something else each time",
            where=network.name,
            got=f"a difference of {_distance(again, expected):.2g} for the same rows",
            expected="the same prediction",
            next_step="remove what draws random numbers in eval mode, such as "
            "F.dropout(x) without training=self.training, or what counts its calls",
        )
    for number in _spread(len(expected)):
        one = tuple(column[number : number + 1] for column in columns)
        single = run(network.original, one, network.name)
        if single.shape[1:] != expected.shape[1:] or len(single) != 1:
            got = f"an output of the shape {list(single.shape)} for one row"
        elif _distance(single, expected[number : number + 1]) > ACROSS_BATCHES:
            got = "another prediction for a row by itself than among others"
        else:
            continue
        raise DecompositionError(
            f"the prediction of {network.name} for a row depends on the other rows of its batch",
            where=network.name,
            got=got,
            expected="a prediction that depends on the row only",
            next_step="replace branches on values of the whole batch, means over it, and squeeze() "
            f"without a dimension; {EXPORT}",
        )


def _first_difference(network: Checked, columns: tuple[Tensor, ...], inputs: Inputs) -> str:
    """The first layer whose output differs, and what the network does between its layers."""
    with recording(network.original) as calls:
        run(network.original, columns, network.name)
    outputs = [call.output for call in calls[0].layers()]
    names = [call.name for call in calls[0].layers()]
    value: tuple[Tensor, ...] = tuple(column.clone() for column in columns)
    for name, layer, output in zip(names, _layers(network.rebuilt), outputs, strict=False):
        value = (layer(*value),)
        if _distance(value[0], output) > TOLERANCE:
            place = f", first after the layer {name}"
            break
    else:
        place = ""
    dropped = trace(network.original, inputs, network.name).dropped
    return place + (f"; its forward also calls {'; '.join(dropped[:3])}" if dropped else "")


def _layers(network: DecomposedNetwork) -> list[nn.Module]:
    return [layer for part in (*network.levels, network.tower) for layer in part.layers]


def _finite(name: str, output: Tensor) -> Tensor:
    wrong = (~output.isfinite()).sum()
    if wrong:
        raise DecompositionError(
            f"{name} predicts values that are no finite numbers",
            where=name,
            got=f"{int(wrong)} of {output.numel():,} predictions for rows of validation",
            next_step="train it again, or let it replace missing and extreme values",
        )
    return output


def _differs(network: Checked, got: str) -> DecompositionError:
    return DecompositionError(
        f"{network.name} predicts something else when it is rebuilt from its layers",
        where=network.name,
        got=got,
        expected=f"the original's predictions within {TOLERANCE:g}",
        next_step="let every layer read only the output of the layer before it, as its one "
        f"argument, and nothing that another layer kept in an attribute; {EXPORT}",
    )


def _distance(left: Tensor, right: Tensor) -> float:
    """The largest difference, relative to values beyond 1."""
    if left.shape != right.shape:
        return float("inf")
    return float(((left - right).abs() / right.abs().clamp(min=1)).max()) if len(left) else 0.0


def _spread(rows: int) -> list[int]:
    return sorted({round(x) for x in torch.linspace(0, rows - 1, min(rows, SINGLE_ROWS)).tolist()})
