"""The check that a network predicts the same after it has been taken apart and rebuilt."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emm.core.errors import DecompositionError
from emm.data.tables.rows import Rows, RowTensors
from emm.fusion.calls import listed, recording
from emm.fusion.layers import run, trace
from emm.fusion.members import DecomposedNetwork
from emm.fusion.towers import EXPORT
from emm.nn.inputs import Inputs

ROWS = 1000
SINGLE_ROWS = 25
TOLERANCE = 1e-5
ACROSS_BATCHES = 1e-3
"""Between batches of different sizes, which sum in another order."""


def sample(rows: int, count: int = ROWS) -> Tensor:
    """The numbers of ``count`` rows spread evenly over a split, or of all of a smaller one."""
    spread = torch.linspace(0, rows - 1, min(count, rows), dtype=torch.float64)
    return spread.round().long()


def rows_at(rows: Rows, index: Tensor) -> RowTensors:
    """The rows at ``index`` [B], ascending, in memory."""
    return next(iter(rows.rows(index.to(rows.labels.device)).in_order(len(index))))


@dataclass(frozen=True)
class Rebuilt:
    """A network that was taken apart, and what it was before.

    ``original``: as trained; ``parts``: as it was rebuilt from what is stored; ``ending``: what
    turned the logits of the original into its output, if it was cut off; ``logits``: whether the
    output of the original has to be a logit.
    """

    name: str
    original: nn.Module
    parts: DecomposedNetwork
    ending: nn.Module | None = None
    logits: bool = False


@torch.no_grad()
def require_same(network: Rebuilt, rows: RowTensors, inputs: Inputs) -> float:
    """The largest difference between the outputs of the original and the rebuilt network.

    Raises DecompositionError if it is larger than 1e-5 for any row, if the original's output isn't
    a logit, or if its prediction of a row isn't always the same, or depends on the other rows of
    the batch.
    """
    columns = (rows.dense, rows.sparse)
    network.original.eval()
    network.parts.eval()
    expected = _finite(network.name, run(network.original, columns, network.name))
    _require_steady(network.name, network.original, columns, expected)
    if network.logits and network.ending is None:
        _require_logits(network.name, expected)
    try:
        found = _output(network, columns)
    except Exception as error:  # the layers' own code may raise anything
        raise _differs(network, f"an error when its layers are called in turn: {error}") from error
    if found.shape != expected.shape:
        raise _differs(network, f"the shape {list(found.shape)}, not {list(expected.shape)}")
    difference = distance(found, expected)
    if difference > TOLERANCE:
        where = _first_difference(network, columns, inputs)
        raise _differs(
            network, f"a difference of {difference:.2g} in {len(rows):,} rows of validation{where}"
        )
    for number in sample(len(rows), SINGLE_ROWS).tolist():
        one = tuple(column[number : number + 1] for column in columns)
        single = distance(_output(network, one), run(network.original, one, network.name))
        if single > TOLERANCE:
            raise _differs(network, f"a difference of {single:.2g} for a row by itself")
    return difference


@torch.no_grad()
def require_whole(
    name: str, original: nn.Module, rebuilt: nn.Module, rows: RowTensors, outputs: int
) -> None:
    """The same for a network that isn't cut, and that is ``rebuilt`` from what is stored.

    ``outputs``: number of logits of its task.
    """
    columns = (rows.dense, rows.sparse)
    expected = _finite(name, run(original.eval(), columns, name))
    _require_steady(name, original, columns, expected)
    found = run(rebuilt.eval(), columns, name)
    difference = distance(found, expected)
    if difference <= TOLERANCE and expected.shape == (len(rows), outputs):
        return
    raise DecompositionError(
        f"{name} predicts something else when it is rebuilt from what is stored",
        where=name,
        got=f"predictions of the shape {list(found.shape)} that differ by {difference:.2g}",
        expected=f"the shape {[len(rows), outputs]}, and the original's predictions within "
        f"{TOLERANCE:g}",
        next_step="train it again: dvc repro --force pretrain",
    )


@torch.no_grad()
def require_scores(
    name: str, parts: DecomposedNetwork, scored: Tensor, expected: Tensor, tolerance: float
) -> float:
    """The same for a network that starts from ``scored`` inputs [B, H]; ``expected``: the outputs
    of the original [B, O] for the same rows."""
    difference = distance(parts.eval()(scored), _finite(name, expected))
    if difference > max(tolerance, TOLERANCE):
        raise DecompositionError(
            f"{name} predicts something else when it is rebuilt from its layers",
            where=name,
            got=f"a difference of {difference:.2g} in {len(scored):,} rows of validation",
            expected=f"the original's predictions within {max(tolerance, TOLERANCE):g}",
            next_step="dvc repro --force score; if it stays, take the entry out of the pool",
        )
    return difference


def _require_logits(name: str, output: Tensor) -> None:
    if ((output >= 0) & (output <= 1)).all():
        raise DecompositionError(
            f"{name} returns probabilities instead of logits",
            where=name,
            got=f"values from {float(output.min()):.3g} to {float(output.max()):.3g} in "
            f"{len(output):,} rows of validation",
            expected="logits, which are below 0 for probabilities below one half",
            next_step="return what the final sigmoid or softmax reads, or make that a last module, "
            "nn.Sigmoid() or nn.Softmax(1), which is cut off",
        )


def _output(network: Rebuilt, columns: Sequence[Tensor]) -> Tensor:
    logits: Tensor = network.parts(*(column.clone() for column in columns))
    return network.ending(logits) if network.ending else logits


def _require_steady(
    name: str, original: nn.Module, columns: tuple[Tensor, ...], expected: Tensor
) -> None:
    """Refuse predictions that depend on chance, or on the other rows of the batch."""
    again = run(original, columns, name)
    if distance(again, expected) > TOLERANCE:
        raise DecompositionError(
            f"{name} predicts something else each time",
            where=name,
            got=f"a difference of {distance(again, expected):.2g} for the same rows",
            expected="the same prediction",
            next_step="remove what draws random numbers in eval mode, such as "
            "F.dropout(x) without training=self.training, or what counts its calls",
        )
    for number in sample(len(expected), SINGLE_ROWS).tolist():
        one = tuple(column[number : number + 1] for column in columns)
        single = run(original, one, name)
        if single.shape[1:] != expected.shape[1:] or len(single) != 1:
            got = f"an output of the shape {list(single.shape)} for one row"
        elif distance(single, expected[number : number + 1]) > ACROSS_BATCHES:
            got = "another prediction for a row by itself than among others"
        else:
            continue
        raise DecompositionError(
            f"the prediction of {name} for a row depends on the other rows of its batch",
            where=name,
            got=got,
            expected="a prediction that depends on the row only",
            next_step="replace branches on values of the whole batch, means over it, and squeeze() "
            f"without a dimension; {EXPORT}",
        )


def _first_difference(network: Rebuilt, columns: tuple[Tensor, ...], inputs: Inputs) -> str:
    """The first layer whose output differs, and what the network does between its layers."""
    with recording(network.original) as calls:
        run(network.original, columns, network.name)
    outputs = [call.output for call in calls[0].layers()]
    names = [call.name for call in calls[0].layers()]
    value: tuple[Tensor, ...] = tuple(column.clone() for column in columns)
    for name, layer, output in zip(names, _layers(network.parts), outputs, strict=False):
        value = (layer(*value),)
        if distance(value[0], output) > TOLERANCE:
            place = f", first after the layer {name}"
            break
    else:
        place = ""
    dropped = trace(network.original, inputs, network.name).dropped
    return place + (f"; its forward also calls {listed(dropped)}" if dropped else "")


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


def _differs(network: Rebuilt, got: str) -> DecompositionError:
    return DecompositionError(
        f"{network.name} predicts something else when it is rebuilt from its layers",
        where=network.name,
        got=got,
        expected=f"the original's predictions within {TOLERANCE:g}",
        next_step="let every layer read only the output of the layer before it, as its one "
        f"argument, and nothing that another layer kept in an attribute; {EXPORT}",
    )


def distance(left: Tensor, right: Tensor) -> float:
    """The largest difference, relative to values beyond 1."""
    if left.shape != right.shape:
        return float("inf")
    return float(((left - right).abs() / right.abs().clamp(min=1)).max()) if len(left) else 0.0
