"""Training of a row whose architecture was searched for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from torch import nn

from emm.automtl.fields import field_names
from emm.automtl.network import AutoMTL
from emm.automtl.space import ARCHITECTURE, WEIGHTS, plain, read_architecture, write_architecture
from emm.config import OptimiserSettings, TrainingSettings
from emm.config.binding import Count, OneOf
from emm.core.errors import ModelFileError
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext
from emm.training.networks import train_together
from emm.training.store import load_weights


@dataclass(frozen=True)
class SearchedSettings(OptimiserSettings):
    """How a found architecture is trained: ``start`` from ``scratch``, with fresh weights, or with
    those that the ``search`` ended with, for at most ``max_epochs`` (by default as every model)."""

    start: Annotated[str, OneOf("scratch", "search")] = "scratch"
    max_epochs: Count | None = None


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

    ``arguments``: those of `AutoMTL` but the architecture; ``checkpoint``: see `train_together`.
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
    train_together(out, context, name, "automtl", build, training, settings, checkpoint=checkpoint)
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
