"""Algorithm 1 of the paper: trained models cut at the layers that all of them share."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from emm.core.errors import DecompositionError
from emm.fusion.common import Match, common_subsequence
from emm.fusion.layers import Layer, Shape, Structure

Cuts = tuple[tuple[Layer, ...], ...]


def decompose(models: Mapping[str, Sequence[Layer]], *, adapt: bool = False) -> dict[str, Cuts]:
    """Cut every model into the same number of components (Algorithm 1).

    Common layers are an order-preserving common subsequence of the layers' structures over all
    models. A run of neighbouring common layers makes one cut, after its last layer. A component
    without a weighted layer joins its neighbour. Layers after the last cut are one more
    component if every model has weighted ones there, else they join the last. Components of one
    level have the same output shape and, from level 2 on, the same input shape. With ``adapt``,
    layers are common if they are of one type, whatever their widths, and so shapes may differ.
    Raises DecompositionError when the models share nothing usable.
    """
    # Models of one structure are cut alike, so each structure stands in the search once.
    keys = {name: tuple(_key(layer, adapt) for layer in own) for name, own in models.items()}
    unique = list(dict.fromkeys(keys.values()))
    matches = common_subsequence(unique)
    if not matches:
        raise _nothing_shared(models)
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
    """The last match of each run of matches that are neighbours in every sequence."""
    ends = [
        match
        for match, after in pairwise(matches)
        if any(new != old + 1 for new, old in zip(after, match, strict=True))
    ]
    return [*ends, matches[-1]]


def _cut(layers: Sequence[Layer], ends: Sequence[int]) -> Cuts:
    """Components that close after each of ``ends``; the rest, perhaps empty, comes last."""
    bounds = [0, *(end + 1 for end in ends), len(layers)]
    return tuple(tuple(layers[start:stop]) for start, stop in pairwise(bounds))


def _merge_weightless(cuts: Mapping[str, Cuts]) -> dict[str, Cuts]:
    """Undo, in all models alike, the cuts that leave any model a component without weights."""
    merged = dict(cuts)
    while True:
        levels = len(next(iter(merged.values())))
        bare = [
            level
            for level in range(levels)
            if any(not any(layer.weighted for layer in cut[level]) for cut in merged.values())
        ]
        if not bare or levels == 1:
            return merged
        # Joined with the next level, which keeps the order; the last with the one before.
        level = min(bare[0], levels - 2)
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
                f"components of level {level + 1} differ in their output",
                where=f"{names[0]} and {odd}",
                got=f"{list(first)} and {list(outputs[odd])}",
                expected="one shape at each level",
                next_step="give the models' last blocks one width, or set fusion.adapter: linear",
            )


def _require_vectors(outputs: Mapping[str, Shape], level: int) -> None:
    odd = next((name for name, shape in outputs.items() if len(shape) != 1), None)
    if odd:
        raise DecompositionError(
            f"the component of level {level + 1} gives no vector a row",
            where=odd,
            got=f"{list(outputs[odd])}",
            expected="one dimension beside the rows, which a linear adapter can change",
            next_step="flatten inside the models' last blocks",
        )


def _nothing_shared(models: Mapping[str, Sequence[Layer]]) -> DecompositionError:
    (first, ours), *others = models.items()
    known = {layer.structure for layer in ours}
    second, theirs = next(
        ((n, layers) for n, layers in others if not known & {x.structure for x in layers}),
        others[-1] if others else (first, ours),
    )
    left, right = _nearest(ours, theirs)
    return DecompositionError(
        "the trained models share no layer at which they could be cut",
        where=f"{first} and {second}",
        got=f"the nearest: {left.name} is {left.structure}, {right.name} is {right.structure}",
        expected="at least one layer of the same type, shapes and hyper-parameters in every model",
        next_step="give the models one layer width in common, for example the last of each block, "
        "or set fusion.adapter: linear",
    )


def _nearest(ours: Sequence[Layer], theirs: Sequence[Layer]) -> tuple[Layer, Layer]:
    """The pair of layers that differs least: same type first, then closest output width."""

    def distance(pair: tuple[Layer, Layer]) -> tuple[bool, int]:
        left, right = (layer.structure for layer in pair)
        return left.kind != right.kind, abs(sum(left.output) - sum(right.output))

    return min(((a, b) for a in ours for b in theirs), key=distance)
