"""Training of searched architectures."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from emm.automtl.fields import field_names
from emm.automtl.network import AutoMTL
from emm.automtl.settings import SearchedSettings
from emm.automtl.space import ARCHITECTURE, WEIGHTS, plain, read_architecture, write_architecture
from emm.config.project import Project
from emm.core.errors import ModelFileError
from emm.training.auto import complete_recipe
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext
from emm.training.jobs import Job
from emm.training.networks import Built, build_network, train_networks
from emm.training.settings import TrainingSettings
from emm.training.store import load_weights


def train_searched(
    out: Path,
    context: TrainingContext,
    checkpoint: Checkpoint | None = None,
    *,
    name: str,
    searched: Path,
    training: TrainingSettings,
    settings: SearchedSettings,
    arguments: Mapping[str, Any],
) -> None:
    """Train the architecture in the folder ``searched`` with every seed; write the models,
    history.json and architecture.json to ``out``.

    ``arguments``: those of `AutoMTL` except the architecture and those of the data; for the others
    see `train_networks`. Raises ModelFileError if the architecture or its weights don't fit the
    data or the arguments.
    """
    fields, tasks = field_names(context.schema), context.schema.tasks
    architecture = read_architecture(searched / ARCHITECTURE, fields, tasks)
    own_arguments = {"architecture": plain(architecture), **arguments}

    def build(context: TrainingContext) -> Built:
        model, every_argument = build_network(AutoMTL, own_arguments, context)
        if settings.start == "search":
            _load(model, searched / WEIGHTS)
        return model, every_argument

    if settings.max_epochs is not None:
        training = replace(training, max_epochs=settings.max_epochs)
    train_networks(
        out,
        context,
        checkpoint,
        name=name,
        architecture="automtl",
        build=build,
        training=training,
        optimiser=settings,
    )
    write_architecture(out / ARCHITECTURE, architecture, fields, tasks)


def _load(model: nn.Module, weights: Path) -> None:
    try:
        model.load_state_dict(load_weights(weights))
    except RuntimeError as error:
        raise ModelFileError(
            f"the search's weights don't fit the model: {str(error).splitlines()[-1].strip()}",
            where=weights,
            expected="the same embedding_dim, dense_encoding, tower, stem, operator_norm and "
            "softmax in `train` and `search`",
            next_step="make them equal, or set `start: scratch`",
        ) from error


def searched_job(project: Project, dataset: str, model: str) -> Job:
    """The architecture that the stage `search` found for a model."""
    recipe, key = complete_recipe(project, dataset), f"train.{model}"
    training = recipe.read("training", TrainingSettings)
    given = ("architecture", "outputs")
    settings, arguments = recipe.read_model(key, AutoMTL, SearchedSettings, given)
    searched = project.paths(dataset).architecture(model)

    train = partial(
        train_searched,
        name=model,
        searched=searched,
        training=training,
        settings=settings,
        arguments=arguments,
    )
    return Job(
        training,
        {"training": training, "section": recipe.section(key)},
        train,
        sources=(searched / ARCHITECTURE, searched / WEIGHTS),
    )
