"""Decomposition, Algorithm 1 of arXiv 2504.09812: models are cut at their common layers."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from emm.core.errors import DecompositionError
from emm.fusion.common_subsequence import common_subsequence
from emm.fusion.units import Feature, Unit, units_of
from emm.nn.structure import Layer, Shape

Cuts = tuple[tuple[Layer, ...], ...]
"""The layers of a model by component."""


def cut_at_common_layers(
    models: Mapping[str, Sequence[Layer]], *, adapt: bool = False
) -> dict[str, Cuts]:
    """Cut every model into the same number of components (Algorithm 1).

    Models are divided into units: a linear-like layer, and the layers after it that aren't. Units
    are common if all models share a layer of theirs, best the linear-like one, and their outputs
    are vectors of the same width. There is a cut after every unit of the largest order-preserving
    common subsequence: models of n linear layers that are all common have n components, and each
    component has a linear-like layer. The units after the last cut make one more component if
    every model has some; otherwise they join the last component.

    Components of one level have the same output shape and, from level 2 on, the same input shape.
    With ``adapt``, layers are common if they have the same type: shapes may then differ. Raises
    DecompositionError if the models have no usable layer in common.
    """
    units = {name: units_of(layers) for name, layers in models.items()}
    empty = next((name for name in models if not units[name]), None)
    if empty:
        raise _nothing_to_cut(empty, models[empty])
    # Models of the same structure are cut in the same way: each structure is compared only once.
    keys = {
        name: tuple(frozenset(unit.features(adapt=adapt)) for unit in own)
        for name, own in units.items()
    }
    unique = list(dict.fromkeys(keys.values()))
    matches = common_subsequence(unique, lambda feature: feature.linear)
    if not matches:
        raise _nothing_in_common(units, adapt=adapt)
    ends = {name: [match[unique.index(keys[name])] + 1 for match in matches] for name in models}
    if not all(end[-1] < len(units[name]) for name, end in ends.items()):
        ends = {name: end[:-1] for name, end in ends.items()}
    cuts = {name: _cut(own, ends[name]) for name, own in units.items()}
    _require_equal_shapes(cuts, adapt=adapt)
    return cuts


def _cut(units: Sequence[Unit], ends: Sequence[int]) -> Cuts:
    """The layers of the components that end before each of ``ends``, and of the last one."""
    bounds = [0, *ends, len(units)]
    return tuple(
        tuple(layer for unit in units[start:stop] for layer in unit.layers)
        for start, stop in pairwise(bounds)
    )


def _require_equal_shapes(cuts: Mapping[str, Cuts], *, adapt: bool) -> None:
    names = list(cuts)
    for level in range(len(cuts[names[0]])):
        outputs = {name: cuts[name][level][-1].structure.output for name in names}
        _require_vectors(outputs, level)
        if adapt:
            continue
        first = outputs[names[0]]
        odd = next((name for name in names if outputs[name] != first), None)
        if odd:
            raise DecompositionError(
                f"components of level {level + 1} differ in their output shape",
                where=f"{names[0]} and {odd}",
                got=f"{list(first)} and {list(outputs[odd])}",
                expected="the same shape",
                next_step="give the last blocks of the models the same width, or set "
                "fusion.adapter: linear",
            )


def _require_vectors(outputs: Mapping[str, Shape], level: int) -> None:
    odd = next((name for name, shape in outputs.items() if len(shape) != 1), None)
    if odd:
        raise DecompositionError(
            f"the output of the component of level {level + 1} is not one vector per row",
            where=odd,
            got=f"{list(outputs[odd])}",
            expected="one dimension besides the rows",
            next_step="flatten the output inside the last block of the model",
        )


def _nothing_to_cut(name: str, layers: Sequence[Layer]) -> DecompositionError:
    return DecompositionError(
        f"{name} has no layer after which it could be cut",
        where=name,
        got=" -> ".join(str(layer.structure) for layer in layers),
        expected="at least one linear layer, convolution or the like before its tower",
        next_step="give it a hidden layer, or begin its tower at a later one",
    )


def _nothing_in_common(models: Mapping[str, Sequence[Unit]], *, adapt: bool) -> DecompositionError:
    def known(units: Sequence[Unit]) -> set[Feature]:
        return {feature for unit in units for feature in unit.features(adapt=adapt)}

    (first, ours), *others = models.items()
    second, theirs = next(
        ((name, units) for name, units in others if known(ours).isdisjoint(known(units))),
        others[-1] if others else (first, ours),
    )
    left, right = map(_description, _most_similar(ours, theirs))
    common = "type" if adapt else "type, shapes and hyper-parameters"
    adapter = "" if adapt else ", or set fusion.adapter: linear"
    return DecompositionError(
        "the trained models share no layer at which they could be cut",
        where=f"{first} and {second}",
        got=f"most similar: {left}, {right}",
        expected=f"at least one layer of the same {common} in every model, and one vector per row "
        "before the next linear layer",
        next_step="give the models a layer width in common, for example that of each block's last "
        f"layer{adapter}",
    )


def _description(unit: Unit) -> str:
    """The unit's linear-like layer, and its output if the layers that follow reshape it."""
    layer, output = unit.linear, unit.output
    reshaped = "" if layer.structure.output == output else f", then {list(output)}"
    return f"{layer.name} is {layer.structure}{reshaped}"


def _most_similar(ours: Sequence[Unit], theirs: Sequence[Unit]) -> tuple[Unit, Unit]:
    """The most similar pair: linear-like layers of the same type first, then the closest output."""

    def distance(pair: tuple[Unit, Unit]) -> tuple[bool, int]:
        left, right = pair
        kinds = left.linear.structure.kind, right.linear.structure.kind
        return kinds[0] != kinds[1], abs(sum(left.output) - sum(right.output))

    return min(((a, b) for a in ours for b in theirs), key=distance)
