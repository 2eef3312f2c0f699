"""Logits as probabilities, values and the steps of a funnel: operators of ONNX."""

from collections.abc import Mapping, Sequence

import numpy as np

from emm.data.tables.schema import CLASSES, Schema
from emm.export.columns import CTCVR, CTR, CVR, GraphOutput
from emm.export.nodes import Nodes
from emm.metrics.funnels import LARGEST_CVR


def add_outputs(
    nodes: Nodes,
    logits: str,
    schema: Schema,
    tasks: Sequence[str],
    outputs: Sequence[GraphOutput],
    *,
    given_click: bool,
) -> None:
    """Add what turns logits [B, O] into the ``outputs``.

    ``given_click``: whether the conversion's logit is that of CVR; otherwise it is that of CTCVR.
    """
    widths = [len(schema.classes.get(task, ("",))) for task in tasks]
    by_task = dict(zip(tasks, nodes.split(logits, widths), strict=True))
    chances: dict[str, str] = {}
    for each in outputs:
        if each.step:
            chances = chances or _funnel(nodes, by_task, each.tasks, given_click=given_click)
            nodes.cast(chances[each.step], "FLOAT", each.name)
            continue
        own = by_task[each.tasks[0]]
        if each.gives == "logit":
            nodes.add("Identity", [own], output=each.name)
        elif each.gives == "value":
            target = schema.targets[each.tasks[0]]
            scaled = nodes.add("Mul", [nodes.cast(own, "DOUBLE"), _number(nodes, target.std)])
            nodes.add("Add", [scaled, _number(nodes, target.mean)], output=each.name)
        elif each.kind == CLASSES:
            nodes.add("Softmax", [own], axis=1, output=each.name)
        else:
            nodes.add("Sigmoid", [own], output=each.name)


def _funnel(
    nodes: Nodes, logits: Mapping[str, str], tasks: Sequence[str], *, given_click: bool
) -> dict[str, str]:
    """The probabilities of a click, of a conversion given one, and of both, as doubles: see
    `emm.metrics.funnels`."""
    click, conversion = (_log_sigmoid(nodes, logits[task]) for task in tasks)
    if given_click:
        both, given = nodes.add("Add", [click, conversion]), conversion
    else:
        share = nodes.add("Sub", [conversion, click])
        both, given = conversion, nodes.add("Min", [share, _number(nodes, np.log(LARGEST_CVR))])
    logs = {CTR: click, CVR: given, CTCVR: both}
    return {step: nodes.add("Exp", [log]) for step, log in logs.items()}


def _log_sigmoid(nodes: Nodes, logit: str) -> str:
    """log sigmoid(x) = min(x, 0) - log(1 + e^-|x|), as doubles."""
    x = nodes.cast(logit, "DOUBLE")
    small = nodes.add("Exp", [nodes.add("Neg", [nodes.add("Abs", [x])])])
    rest = nodes.add("Log", [nodes.add("Add", [small, _number(nodes, 1.0)])])
    return nodes.add("Sub", [nodes.add("Min", [x, _number(nodes, 0.0)]), rest])


def _number(nodes: Nodes, value: float) -> str:
    return nodes.constant(np.array(value, np.float64))
