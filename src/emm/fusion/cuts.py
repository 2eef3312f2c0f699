"""Decomposition, Algorithm 1 of arXiv 2504.09812: models are cut at their common layers."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from emm.core.errors import DecompositionError
from emm.fusion.common_subsequence import Match, common_subsequence
from emm.fusion.layers import Layer, Shape, Structure

Cuts = tuple[tuple[Layer, ...], ...]
"""The layers of a model by component."""


def cut_at_common_layers(
    models: Mapping[str, Sequence[Layer]], *, adapt: bool = False
) -> dict[str, Cuts]:
    """Cut every model into the same number of components (Algorithm 1).

    The common layers are a longest order-preserving common subsequence of the layers' structures
    over all models. Consecutive common layers make one cut, after the last of them. A component
    without weights is joined with its neighbour. The layers after the last cut make one more
    component if they have weights in every model; otherwise they join the last component.

    Components of one level have the same output shape and, from level 2 on, the same input shape.
    With ``adapt``, layers are common if they have the same type: shapes may then differ. Raises
    DecompositionError if the models have no usable layer in common.
    """
    # Models of the same structure are cut in the same way: each structure is compared only once.
    keys = {name: tuple(_key(layer, adapt) for layer in layers) for name, layers in models.items()}
    unique = list(dict.fromkeys(keys.values()))
    matches = common_subsequence(unique)
    if not matches:
        raise _nothing_in_common(models)
    ends = _cut_ends(matches)
    cuts = {
        name: _cut(layers, [end[unique.index(keys[name])] for end in ends])
        for name, layers in models.items()
    }
    merged = _merge_weightless(cuts)
    _require_equal_shapes(merged, adapt=adapt)
    return merged


def _key(layer: Layer, adapt: bool) -> Structure | str:
    return layer.structure.kind if adapt else layer.structure


def _cut_ends(matches: Sequence[Match]) -> list[Match]:
    """The last match of each run of matches that are consecutive in every sequence."""
    ends = [
        match
        for match, after in pairwise(matches)
        if any(new != old + 1 for new, old in zip(after, match, strict=True))
    ]
    return [*ends, matches[-1]]


def _cut(layers: Sequence[Layer], ends: Sequence[int]) -> Cuts:
    """The components that end at each of ``ends``, and the rest, which may be empty."""
    bounds = [0, *(end + 1 for end in ends), len(layers)]
    return tuple(tuple(layers[start:stop]) for start, stop in pairwise(bounds))


def _merge_weightless(cuts: Mapping[str, Cuts]) -> dict[str, Cuts]:
    """Undo in all models the cuts that leave a component without weights in any of them."""
    merged = dict(cuts)
    while True:
        levels = len(next(iter(merged.values())))
        weightless = [
            level
            for level in range(levels)
            if any(not any(layer.weighted for layer in cut[level]) for cut in merged.values())
        ]
        if not weightless or levels == 1:
            return merged
        # Join it with the next level, the last one with the level before.
        level = min(weightless[0], levels - 2)
        merged = {
            name: (*cut[:level], cut[level] + cut[level + 1], *cut[level + 2 :])
            for name, cut in merged.items()
        }


def _require_equal_shapes(cuts: Mapping[str, Cuts], *, adapt: bool) -> None:
    names = list(cuts)
    for level in range(len(cuts[names[0]])):
        outputs = {name: cuts[name][level][-1].structure.output for name in names}
        if adapt:
            _require_vectors(outputs, level)
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
            expected="one dimension besides the rows, so that a linear adapter can be applied",
            next_step="flatten the output inside the last block of the model",
        )


def _nothing_in_common(models: Mapping[str, Sequence[Layer]]) -> DecompositionError:
    (first, ours), *others = models.items()
    known = {layer.structure for layer in ours}
    second, theirs = next(
        ((n, layers) for n, layers in others if not known & {x.structure for x in layers}),
        others[-1] if others else (first, ours),
    )
    left, right = _most_similar(ours, theirs)
    return DecompositionError(
        "the trained models share no layer at which they could be cut",
        where=f"{first} and {second}",
        got=f"most similar: {left.name} is {left.structure}, {right.name} is {right.structure}",
        expected="at least one layer of the same type, shapes and hyper-parameters in every model",
        next_step="give the models a layer width in common, for example that of each block's last "
        "layer, or set fusion.adapter: linear",
    )


def _most_similar(ours: Sequence[Layer], theirs: Sequence[Layer]) -> tuple[Layer, Layer]:
    """The most similar pair of layers: the same type first, then the closest output width."""

    def distance(pair: tuple[Layer, Layer]) -> tuple[bool, int]:
        left, right = (layer.structure for layer in pair)
        return left.kind != right.kind, abs(sum(left.output) - sum(right.output))

    return min(((a, b) for a in ours for b in theirs), key=distance)
