"""The members of a pool, and networks in parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from emm.config.binding import bind_keywords
from emm.core.errors import ModelFileError
from emm.fusion.layers import Component
from emm.fusion.layout import Layout
from emm.models import MODELS, model_class
from emm.nn.inputs import Inputs
from emm.outside.factories import load_factory
from emm.outside.onnx import OnnxLayers

# The architectures of members from outside: the factory in the arguments builds one; the arguments
# of the other are the description of the layers of an ONNX network and the width of its scored
# input.
FACTORY = "factory"
ONNX = "onnx"
WIDEST = 65_536  # columns of a scored input


@dataclass(frozen=True)
class NetworkMember:
    """A network of the pool, and where it is cut.

    ``task``: the number of its task; ``levels``: the layer names of its components, by level;
    ``tower``: those of the layers after the last component; ``widths``: the output widths of the
    components. ``architecture`` and ``arguments`` rebuild the network.
    """

    name: str
    task: int
    architecture: str
    arguments: Mapping[str, Any]
    levels: tuple[tuple[str, ...], ...]
    tower: tuple[str, ...]
    widths: tuple[int, ...]
    source_sha256: str

    @property
    def entry(self) -> int:
        """The width of the scored input that it starts from, 0 if it reads the features."""
        width = self.arguments.get("width") if self.architecture == ONNX else 0
        if not isinstance(width, int) or not 0 <= width <= WIDEST:
            raise _refused(self.name, "has an unusable scored input", width, f"1 to {WIDEST}")
        return width

    def build(self, inputs: Inputs) -> "DecomposedNetwork":
        """Build its components and tower with fresh weights. Raises ModelFileError."""
        if self.architecture == FACTORY:
            return DecomposedNetwork(load_factory(self.arguments[FACTORY])(inputs), self)
        if self.architecture == ONNX:
            return DecomposedNetwork(OnnxLayers(self.arguments.get("description", {})), self)
        return DecomposedNetwork(_network_of(self, inputs), self)


@dataclass(frozen=True)
class WholeMember:
    """A network of the pool that isn't cut: only its logits are used. ``task``: the number of its
    task; ``architecture`` and ``arguments`` rebuild it."""

    name: str
    task: int
    architecture: str
    arguments: Mapping[str, Any]
    source_sha256: str

    def build(self, inputs: Inputs) -> nn.Module:
        """Build it with fresh weights. Raises ModelFileError."""
        return _network_of(self, inputs)


def _network_of(member: NetworkMember | WholeMember, inputs: Inputs) -> nn.Module:
    """The network of an architecture of `MODELS`, with fresh weights."""
    if member.architecture not in MODELS:
        known = f"one of {', '.join(MODELS)}"
        raise _refused(member.name, "has an unknown architecture", member.architecture, known)
    model_type: Any = model_class(member.architecture)
    errors: list[str] = []
    bind_keywords(model_type, member.arguments, "arguments", errors)
    if errors:
        raise _refused(member.name, "has unusable arguments", "; ".join(errors), "other ones")
    network: nn.Module = model_type(inputs, 1, **member.arguments)
    return network


def _refused(name: str, what: str, got: object, expected: str) -> ModelFileError:
    return ModelFileError(
        f"{name} {what}",
        got=got,
        expected=expected,
        next_step="dvc checkout to restore the file, or dvc repro",
    )


class DecomposedNetwork(nn.Module):
    """A network in parts: ``levels``, one component each, and ``tower``."""

    def __init__(self, model: nn.Module, member: NetworkMember) -> None:
        super().__init__()
        self.levels = nn.ModuleList(_component(model, names) for names in member.levels)
        self.tower = _component(model, member.tower)

    def forward(self, *inputs: Tensor) -> Tensor:
        """The output of the whole network: dense [B, D] and sparse [B, F], or the scored input
        [B, H] that it starts from -> logits of its task."""
        first, *others = self.levels
        value: Tensor = first(*inputs)
        for component in others:
            value = component(value)
        logits: Tensor = self.tower(value)
        return logits


@dataclass(frozen=True)
class TreeMember:
    """A tree ensemble of the pool; ``sizes``: the arguments of `TreeEnsemble`."""

    name: str
    task: int
    sizes: Mapping[str, int]
    source_sha256: str


@dataclass(frozen=True)
class OpaqueMember:
    """A model from outside of which only the logits for the rows of the dataset are known."""

    name: str
    task: int
    source_sha256: str


@dataclass(frozen=True)
class Members:
    """The members of a pool: networks that are cut into components; tree ensembles, which are
    divided by boosting rounds; whole networks and opaque members, whose logits are divided
    evenly."""

    networks: tuple[NetworkMember, ...]
    trees: tuple[TreeMember, ...]
    opaque: tuple[OpaqueMember, ...] = ()
    whole: tuple[WholeMember, ...] = ()

    @property
    def all(self) -> tuple["Member", ...]:
        """All members: networks, trees, whole networks and opaque members."""
        return (*self.networks, *self.shared, *self.opaque)

    @property
    def shared(self) -> tuple["TreeMember | WholeMember", ...]:
        """Those whose shares of the levels a fused model computes itself."""
        return (*self.trees, *self.whole)

    @property
    def levels(self) -> int:
        """Number of levels; 1 without a network that is cut."""
        return len(self.networks[0].levels) if self.networks else 1

    @property
    def scored_names(self) -> tuple[str, ...]:
        """Names of the members with scored columns, in the order of these (`Layout.scored`)."""
        entered = (member.name for member in self.networks if member.entry)
        return (*(member.name for member in self.opaque), *entered)

    def layout(self, tasks: int, outputs: Sequence[int] = ()) -> Layout:
        """The members by task; ``outputs``: number of logits of each task, () if all have one."""
        entries = tuple(member.entry for member in self.networks)
        return Layout(
            networks=tuple(_of_task(self.networks, task) for task in range(tasks)),
            trees=tuple(_of_task((*self.shared, *self.opaque), task) for task in range(tasks)),
            widths=tuple(member.widths for member in self.networks),
            outputs=tuple(outputs),
            opaque=len(self.opaque),
            entries=entries if any(entries) else (),
        )


Member = NetworkMember | TreeMember | WholeMember | OpaqueMember


def _of_task(members: Sequence[Member], task: int) -> tuple[int, ...]:
    return tuple(number for number, member in enumerate(members) if member.task == task)


def _component(model: nn.Module, names: Sequence[str]) -> Component:
    return Component([model.get_submodule(name) for name in names])
