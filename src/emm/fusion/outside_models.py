"""The members of a pool that come from outside: those that run in torch, and those with scores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from emm.core.errors import ModelFileError, ParamsError, choose
from emm.core.files import sha256
from emm.data.tables.raw import raw_columns
from emm.data.tables.schema import Schema
from emm.fusion.members import FACTORY, ONNX
from emm.fusion.trained_models import POOL, OpaqueModel, TrainedNetwork, TrainedTrees
from emm.nn.inputs import Inputs
from emm.outside.member import WEIGHTS, Join, MemberDescription, read_member
from emm.outside.network import load_network
from emm.outside.onnx import OnnxLayers
from emm.outside.open import context_of, open_model
from emm.outside.open import join_of as join_in
from emm.outside.scorer import Opaque, Torch
from emm.outside.settings import OutsideModel
from emm.training.store import load_weights
from emm.trees.native.load import load_native_trees


@dataclass(frozen=True)
class OutsideMembers:
    """Models from outside, by the way in which they join."""

    networks: list[TrainedNetwork] = field(default_factory=list)
    trees: list[TrainedTrees] = field(default_factory=list)
    opaque: list[OpaqueModel] = field(default_factory=list)


@dataclass(frozen=True)
class Joined:
    """How one entry joins the pool; ``weights``: of the layers of a network that is cut."""

    join: Join
    weights: Mapping[str, Tensor] = field(default_factory=dict)


JoinOf = Callable[[str, OutsideModel], Joined]


def outside_models(
    pool: Mapping[str, OutsideModel], schema: Schema, inputs: Inputs, join_of: JoinOf
) -> OutsideMembers:
    """Load the models that were trained elsewhere; factories must be trusted.

    ``join_of``: how an entry with a model file joins. Raises ParamsError for an unknown task, for
    an entry that is neither a network nor a file, and for encoded trees of a regression;
    ModelFileError if weights are damaged or don't fit their model, or trees don't fit their task.
    """
    found = OutsideMembers()
    for name, entry in pool.items():
        choose("task", entry.task, schema.tasks, POOL, "correct the entry")
        task = schema.tasks.index(entry.task)
        if entry.model is None:
            found.networks.append(_network(name, entry, task, inputs))
            continue
        source = _source(name, entry)
        joined = join_of(name, entry)
        if joined.join.kind == "torch":
            found.trees.append(_trees(name, entry, schema, inputs, source))
        elif joined.join.kind == "cut":
            found.networks.append(_cut(name, task, joined, source))
        else:
            found.opaque.append(OpaqueModel(name, task, source))
    return found


def stored_join(scores: Path) -> JoinOf:
    """How entries join by what the stage `score` wrote to ``scores``/NAME."""

    def join_of(name: str, entry: OutsideModel) -> Joined:
        join = read_stored(scores, name, entry).join
        cut = join.kind == "cut"
        return Joined(join, load_weights(scores / name / WEIGHTS) if cut else {})

    return join_of


def join_by_file(processed: Path, schema: Schema) -> JoinOf:
    """How entries join by their files, before anything is scored; ``processed``: for the kinds of
    raw columns."""

    def join_of(name: str, entry: OutsideModel) -> Joined:
        raw = {} if entry.columns == "encoded" else raw_columns(processed)
        context = context_of(schema, entry.task, raw)
        found = join_in(open_model(name, entry, context), context)
        if isinstance(found, Torch):
            return Joined(Join("torch"))
        if isinstance(found, Opaque):
            return Joined(Join("opaque", found.reason))
        description = found.description
        join = Join("cut", None, description["width"], tuple(found.layers), description)
        return Joined(join, found.weights)

    return join_of


def read_stored(scores: Path, name: str, entry: OutsideModel) -> MemberDescription:
    """What the stage `score` found out about an entry. Raises ModelFileError if it is about another
    model."""
    member = read_member(scores / name)
    found = (member.name, member.task, member.sha256)
    expected = (name, entry.task, _source(name, entry))
    if found != expected:
        raise ModelFileError(
            f"the scores of {name} are those of another model",
            where=scores / name,
            got=f"{found[0]} of {found[1]}, sha256 {found[2][:12]}",
            expected=f"{expected[0]} of {expected[1]}, sha256 {expected[2][:12]}",
            next_step="dvc repro score",
        )
    return member


def _source(name: str, entry: OutsideModel) -> str:
    """The hash of an entry's file."""
    try:
        return sha256(Path(entry.path))
    except OSError as error:
        raise ModelFileError(
            f"the file of {name} can't be read: {error.strerror}",
            where=entry.path,
            next_step="put it there, or correct the path in fusion.pool",
        ) from error


def _network(name: str, entry: OutsideModel, task: int, inputs: Inputs) -> TrainedNetwork:
    if entry.factory is None or entry.weights is None:
        raise ParamsError(
            f"the entry {name} of the pool is neither a network nor a model file",
            where=POOL,
            got=f"task {entry.task}, factory {entry.factory}, weights {entry.weights}",
            expected="factory and weights of a network, or model",
            next_step="complete the entry",
        )
    return TrainedNetwork(
        name=name,
        task=task,
        model=load_network(name, entry, inputs),
        architecture=FACTORY,
        arguments={FACTORY: entry.factory},
        tower=entry.tower,
        source_sha256=_source(name, entry),
    )


def _trees(
    name: str, entry: OutsideModel, schema: Schema, inputs: Inputs, source: str
) -> TrainedTrees:
    path, task = Path(entry.path), schema.tasks.index(entry.task)
    if entry.task in schema.regressions:
        raise ParamsError(
            "outside trees on processed columns can't join a regression task",
            where=POOL,
            got=f"{path} for the regression task {entry.task!r}",
            next_step="remove the entry, or train trees here: fusion.trees: [gbdt]",
        )
    columns = [*schema.dense_names, *schema.sparse_names]
    outputs = schema.outputs[task] if schema.outputs else 1
    return TrainedTrees(name, task, load_native_trees(path, inputs, columns, outputs), source)


def _cut(name: str, task: int, joined: Joined, source: str) -> TrainedNetwork:
    """The layers of an ONNX network after its first unit."""
    join = joined.join
    description = dict(join.description or {})
    model = OnnxLayers(description)
    try:
        model.load_state_dict(dict(joined.weights))
    except RuntimeError as error:
        raise ModelFileError(
            f"the layers of {name} don't fit their description: {error}",
            where=POOL,
            next_step="dvc repro --force score",
        ) from error
    arguments = {"width": join.width, "description": description}
    return TrainedNetwork(name, task, model.eval(), ONNX, arguments, None, source, join.layers)
