"""Networks from ONNX files that share no layer with the other networks of a pool."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from emm.core.errors import DecompositionError
from emm.data.tables.schema import Schema
from emm.fusion.build_pool import parts_by_name
from emm.fusion.cuts import cut_at_common_layers
from emm.fusion.outside_models import OutsideMembers
from emm.fusion.trained_models import OpaqueModel, TrainedNetwork
from emm.nn.inputs import Inputs
from emm.outside.onnx import OnnxLayers


def join_by_layers(
    outside: OutsideMembers,
    own: Sequence[TrainedNetwork],
    inputs: Inputs,
    schema: Schema,
    *,
    adapt: bool,
) -> OutsideMembers:
    """The outside members, with those networks opaque that can't be cut as the others are.

    Only networks from ONNX files can be: their logits are known without their layers. They are
    taken into the pool in its order, as long as all networks so far share a layer. ``own``: the
    pipeline's own networks; ``adapt``: see `build_pool`.
    """
    known = [*own, *(each for each in outside.networks if not each.layers)]
    parts = parts_by_name(
        [*own, *outside.networks], inputs, schema.tasks, schema.outputs, schema.regressions
    )
    unlike = []
    for each in (each for each in outside.networks if each.layers):
        try:
            cut_at_common_layers(
                {x.name: parts[x.name].trunk[1:] for x in (*known, each)}, adapt=adapt
            )
        except DecompositionError:
            unlike.append(each)
        else:
            known.append(each)
    opaque = [
        OpaqueModel(x.name, x.task, x.source_sha256, cast(OnnxLayers, x.model)) for x in unlike
    ]
    left = {each.name for each in unlike}
    networks = [each for each in outside.networks if each.name not in left]
    return replace(outside, networks=networks, opaque=[*outside.opaque, *opaque])


def why_unlike(*, adapt: bool) -> str:
    """Why a network is opaque that `join_by_layers` made so."""
    if adapt:
        return "none of its layers has the type of one of the pool's other networks"
    return (
        "none of its layers is like one of the pool's other networks; `fusion.adapter: linear` "
        "also cuts layers of other widths"
    )
