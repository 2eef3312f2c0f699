"""Units of a network, between which it can be cut, and what two units have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from emm.nn.structure import Layer, Shape, Structure


@dataclass(frozen=True)
class Feature:
    """What makes two units common: the structure of a layer, and the output that a cut gives.

    With an adapter, the structure is only the layer's type, and the output may be any vector.
    """

    structure: Structure | str
    output: Shape
    linear: bool


@dataclass(frozen=True)
class Unit:
    """A linear-like layer and the normalisation, activation, dropout and so on that follow it."""

    layers: tuple[Layer, ...]

    @property
    def linear(self) -> Layer:
        """Its linear-like layer."""
        return next(layer for layer in self.layers if layer.linear)

    @property
    def output(self) -> Shape:
        """The shape of its output, without the rows."""
        return self.layers[-1].structure.output

    def features(self, *, adapt: bool) -> tuple[Feature, ...]:
        """Those of its layers, in order; none if no cut is possible after it.

        Fusion reads one vector per row, so a network isn't cut between two convolutions.
        """
        if len(self.output) != 1:
            return ()
        if adapt:
            return tuple(Feature(x.structure.kind, (), x.linear) for x in self.layers)
        return tuple(Feature(x.structure, self.output, x.linear) for x in self.layers)


def units_of(layers: Sequence[Layer]) -> tuple[Unit, ...]:
    """Divide a network into units, in order; none if it has no linear-like layer.

    Layers before the first linear-like one belong to its unit.
    """
    starts = [number for number, layer in enumerate(layers) if layer.linear]
    bounds = [0, *starts[1:], len(layers)] if starts else []
    return tuple(Unit(tuple(layers[start:stop])) for start, stop in pairwise(bounds))


def shared_layers(units: Sequence[Unit], *, adapt: bool) -> tuple[str, ...]:
    """The structures of the layers that all ``units`` share, in the order of the first unit."""
    first, *others = (unit.features(adapt=adapt) for unit in units)
    common = set(first).intersection(*others)
    return tuple(dict.fromkeys(str(each.structure) for each in first if each in common))
