"""Training of a row whose architecture was searched for."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from emm.automtl.fields import field_names
from emm.automtl.network import AutoMTL
from emm.automtl.settings import SearchedSettings
from emm.automtl.space import ARCHITECTURE, WEIGHTS, plain, read_architecture, write_architecture
from emm.config.project import Project
from emm.core.errors import ModelFileError
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext
from emm.training.jobs import Job
from emm.training.networks import train_networks
from emm.training.settings import TrainingSettings
from emm.training.store import load_weights


def train_searched(
    out: Path,
    context: TrainingContext,
    name: str,
    searched: Path,
    *,
    training: TrainingSettings,
    settings: SearchedSettings,
    arguments: Mapping[str, Any],
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train the architecture in the folder ``searched`` with every seed; writes ``out``/seed-S,
    history.json and a copy of architecture.json.

    ``arguments``: those of `AutoMTL` but the architecture; ``checkpoint``: see `train_networks`.
    Raises ModelFileError for an architecture, or weights, that don't fit the data or the arguments.
    """
    fields, tasks = field_names(context.schema), context.schema.tasks
    architecture = read_architecture(searched / ARCHITECTURE, fields, tasks)
    whole = {"architecture": plain(architecture), **arguments}

    def build(_seed: int) -> tuple[nn.Module, Mapping[str, Any]]:
        model = AutoMTL(context.inputs, len(tasks), **whole)
        if settings.start == "search":
            _load(model, searched / WEIGHTS)
        return model, whole

    if settings.max_epochs is not None:
        training = replace(training, max_epochs=settings.max_epochs)
    train_networks(out, context, name, "automtl", build, training, settings, checkpoint=checkpoint)
    write_architecture(out / ARCHITECTURE, architecture, fields, tasks)


def _load(model: nn.Module, weights: Path) -> None:
    try:
        model.load_state_dict(load_weights(weights))
    except RuntimeError as error:
        raise ModelFileError(
            f"the search's weights don't fit the model: {str(error).splitlines()[-1].strip()}",
            where=weights,
            expected="embedding_dim, dense_encoding and tower of `train` as in `search`",
            next_step="make them alike, or take `start: scratch`",
        ) from error


def searched_job(project: Project, dataset: str, model: str) -> Job:
    """The architecture that the stage `search` found for a model."""
    recipe, key = project.recipe(dataset), f"train.{model}"
    training = recipe.read("training", TrainingSettings)
    settings, arguments = recipe.read_model(key, AutoMTL, SearchedSettings, ("architecture",))
    searched = project.paths(dataset).architecture(model)

    def train(context: TrainingContext, out: Path, checkpoint: Checkpoint) -> None:
        train_searched(
            out,
            context,
            model,
            searched,
            training=training,
            settings=settings,
            arguments=arguments,
            checkpoint=checkpoint,
        )

    return Job(
        training,
        {"training": training, "section": recipe.section(key)},
        train,
        sources=(searched / ARCHITECTURE, searched / WEIGHTS),
    )
