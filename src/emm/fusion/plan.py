"""A preview of the decomposition, before anything is trained."""

from collections.abc import Sequence
from itertools import islice

from rich.table import Table
from torch import nn

from emm.config.project import Project
from emm.data.tables.schema import Schema, load_schema
from emm.fusion.build_pool import build_pool
from emm.fusion.layers import trace_layers
from emm.fusion.members import ONNX, Members, NetworkMember, OpaqueMember, WholeMember
from emm.fusion.outside_models import OutsideMembers, join_by_file, outside_models
from emm.fusion.settings import FusionSettings
from emm.fusion.trained_models import CUT, TOWER, TrainedNetwork, TrainedWhole, own_networks
from emm.fusion.units import Unit, shared_layers, units_of
from emm.fusion.unlike import join_by_layers, why_unlike
from emm.models.single_task import SingleTask
from emm.nn.inputs import Inputs
from emm.nn.structure import Layer
from emm.outside.factories import trusting
from emm.training.auto import complete_recipe
from emm.training.store import inputs_of
from emm.training.structures import read_structure


def decomposition_plan(project: Project, dataset: str) -> Table:
    """A table of the levels into which each model would be cut, and of the layers at the cuts.

    The models are built with fresh weights, as cuts depend only on structure. Raises
    DecompositionError if they can't be cut in the same way, DataError if the data isn't
    preprocessed yet.
    """
    paths = project.paths(dataset)
    schema = load_schema(paths.schema)
    inputs = inputs_of(schema)
    fusion = project.recipe(dataset).read("fusion", FusionSettings)
    with trusting(fusion.factories):
        join_of = join_by_file(paths.processed, schema)
        outside = outside_models(fusion.pool, schema, inputs, join_of)
        names = own_networks(fusion, project.active.trained)
        own, whole = _pipeline_networks(project, dataset, names, schema)
        adapt = fusion.adapter is not None
        outside = join_by_layers(outside, own, inputs, schema, adapt=adapt)
        networks = [*own, *outside.networks]
        pool = build_pool(
            networks,
            outside.trees,
            inputs,
            schema.tasks,
            "",
            0,
            opaque=outside.opaque,
            whole=whole,
            outputs=schema.outputs,
            regressions=schema.regressions,
            adapt=adapt,
        )
    shared = _shared_at_cuts(networks, pool.members.networks, inputs, adapt=adapt)
    return _table(pool.members, shared)


def why_opaque(
    project: Project, dataset: str, name: str, task: str, layers: Sequence[Layer]
) -> str | None:
    """Why a network of these layers, from an ONNX file, would join as an opaque member; None if
    it shares some of them with the pipeline's own networks.

    Raises DataError if the data isn't preprocessed yet.
    """
    schema = load_schema(project.paths(dataset).schema)
    fusion = project.recipe(dataset).read("fusion", FusionSettings)
    names = own_networks(fusion, project.active.trained)
    own, _ = _pipeline_networks(project, dataset, names, schema)
    adapt = fusion.adapter is not None
    number = schema.tasks.index(task)
    network = TrainedNetwork(name, number, nn.Identity(), ONNX, {}, None, "", tuple(layers))
    candidate = OutsideMembers(networks=[network])
    joined = join_by_layers(candidate, own, inputs_of(schema), schema, adapt=adapt)
    return why_unlike(adapt=adapt) if joined.opaque else None


def _pipeline_networks(
    project: Project, dataset: str, names: Sequence[str], schema: Schema
) -> tuple[list[TrainedNetwork], list[TrainedWhole]]:
    """The pipeline's own networks, untrained: those that are cut, and the whole ones."""
    recipe = complete_recipe(project, dataset)
    networks, whole = [], []
    for name in names:
        settings, arguments = read_structure(recipe, name)
        for number, task in enumerate(schema.tasks):
            label = f"{name}/{task}"
            if settings.network != CUT:
                # Nothing depends on its weights: it isn't built.
                whole.append(
                    TrainedWhole(label, number, nn.Identity(), settings.network, arguments, "")
                )
                continue
            classes = schema.classes.get(task)
            own = arguments | ({"outputs": (len(classes),)} if classes else {})
            model = SingleTask(inputs_of(schema), **own)
            networks.append(TrainedNetwork(label, number, model, CUT, own, TOWER, ""))
    return networks, whole


def _shared_at_cuts(
    networks: Sequence[TrainedNetwork],
    members: Sequence[NetworkMember],
    inputs: Inputs,
    *,
    adapt: bool,
) -> list[str]:
    """For each level, the layers before the cut that all networks share."""
    ends: list[list[Unit]] = [[] for _ in members[0].levels] if members else []
    for network, member in zip(networks, members, strict=True):
        # By place rather than by name: a model may call one activation in several places.
        layers = iter(network.layers or trace_layers(network.model, inputs, network.name))
        for level, (names, units) in enumerate(zip(member.levels, ends, strict=True)):
            own = list(islice(layers, len(names)))
            units.append(units_of(own[1:] if level == 0 else own)[-1])  # without the front
    return ["\n".join(shared_layers(units, adapt=adapt)) for units in ends]


def _table(members: Members, shared: Sequence[str]) -> Table:
    """``shared``: for each level, the layers before the cut that all networks share."""
    table = Table(title="Components: layers of each model, by level")
    levels = range(1, members.levels + 1)
    table.add_column("model", no_wrap=True)
    for heading in (*(f"level {level}" for level in levels), "tower"):
        table.add_column(heading)
    for member in members.networks:
        table.add_row(member.name, *map(_summary, member.levels), _summary(member.tower))
    for name in (each.name for each in members.all if isinstance(each, WholeMember | OpaqueMember)):
        table.add_row(name, *["an equal part of its logit"] * len(levels), "")
    if not members.networks:
        return table
    table.add_section()
    # What follows the last common layers makes a level of its own, which shares nothing.
    table.add_row("cut after, in every model", *(each or "(its last layer)" for each in shared), "")
    return table


def _summary(names: Sequence[str]) -> str:
    """The first and the last of consecutive layers, and their number."""
    count = "1 layer" if len(names) == 1 else f"{len(names)} layers"
    return f"{names[0]} to {names[-1]}\n{count}" if len(names) > 1 else f"{names[0]}\n{count}"
