"""What a decomposition would do, before anything is trained."""

from collections.abc import Sequence

from rich.table import Table

from emm.config.project import Project
from emm.data.tables.schema import load_schema
from emm.fusion.build_pool import TOWER, Trained, build_pool, outside_models
from emm.fusion.factories import trusting
from emm.fusion.layers import unfold
from emm.fusion.pool import Member
from emm.fusion.settings import FusionSettings
from emm.models.single_task import SingleTask
from emm.nn.inputs import Inputs
from emm.training.settings import OptimiserSettings
from emm.training.store import inputs_of


def decomposition_plan(project: Project, dataset: str) -> Table:
    """A table of the trained models times the levels they would be cut into, and why there.

    The models are built with fresh weights, as a cut depends on their structure alone. Raises
    DecompositionError if they can't be cut alike, DataError before the data is preprocessed.
    """
    schema = load_schema(project.paths(dataset).schema)
    inputs = inputs_of(schema)
    fusion = project.recipe(dataset).read("fusion", FusionSettings)
    with trusting(fusion.factories):
        columns = [*schema.dense_names, *schema.sparse_names]
        outside, grown = outside_models(
            fusion.pool, schema.tasks, inputs, columns, regressions=schema.regressions
        )
        trained = [*_own(project, dataset, inputs, schema.tasks), *outside]
        adapt = fusion.adapter is not None
        pool = build_pool(trained, grown, inputs, schema.tasks, "", 0, adapt=adapt)
    return _table(pool.members.networks, trained[0], inputs)


def _own(project: Project, dataset: str, inputs: Inputs, tasks: Sequence[str]) -> list[Trained]:
    recipe = project.recipe(dataset)
    found = []
    for name in project.active.trained:
        _, arguments = recipe.read_model(f"pretrain.{name}", SingleTask, OptimiserSettings)
        for number, task in enumerate(tasks):
            model = SingleTask(inputs, **arguments)
            label = f"{name}/{task}"
            found.append(Trained(label, number, model, "single_task", arguments, TOWER, ""))
    return found


def _table(members: Sequence[Member], first: Trained, inputs: Inputs) -> Table:
    table = Table(title="Components: layers of each model, by level")
    levels = range(1, len(members[0].levels) + 1)
    table.add_column("model", no_wrap=True)
    for heading in (*(f"level {level}" for level in levels), "tower"):
        table.add_column(heading)
    for member in members:
        table.add_row(member.name, *map(_run, member.levels), _run(member.tower))
    layers = {layer.name: layer.structure for layer in unfold(first.model, inputs)}
    table.add_section()
    ends = (str(layers[names[-1]]) for names in members[0].levels)
    table.add_row("cut after, in every model", *ends, "")
    return table


def _run(names: Sequence[str]) -> str:
    count = "1 layer" if len(names) == 1 else f"{len(names)} layers"
    return f"{names[0]} to {names[-1]}\n{count}" if len(names) > 1 else f"{names[0]}\n{count}"
