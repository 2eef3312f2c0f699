"""Networks of the regimes, with the settings of the recipe `default` for a table of their size."""

from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from emm.data.tables.rows import RowTensors
from emm.models import model_class
from emm.regimes.rows import Table
from emm.training.auto import Facts, facts_of, network_defaults, training_defaults
from emm.training.context import schedule_of
from emm.training.fit import fit, predict
from emm.training.networks import build_network, fresh_network
from emm.training.settings import OptimiserSettings, TrainingSettings

FEWEST_STEPS = 200
"""Steps of a training at least: of few rows there are more epochs."""


class Network:
    """A trained network as a predictor of one of its tasks: rows -> logits [N] float64.

    ``output``: number of the task.
    """

    def __init__(self, model: nn.Module, output: int) -> None:
        self.model, self.output = model, output

    def __call__(self, rows: RowTensors) -> Tensor:
        return predict(self.model, rows)[:, self.output].double()


def train_network(table: Table, name: str, rows: RowTensors, seed: int) -> nn.Module:
    """Train the network of this name on ``rows``, for all tasks. Validation chooses the epoch."""
    known = facts_of(table.schema)
    facts = Facts(len(rows), known.rarest, known.ids)
    training = TrainingSettings(**_with_steps(training_defaults(facts), len(rows)))
    section = network_defaults(facts, name)
    steps = {key: section.pop(key) for key in ("learning_rate", "weight_decay")}
    own = replace(table.context, train=rows)
    build = partial(build_network, model_class(name), section)
    model, _ = fresh_network(build, own, seed, name)
    schedule = schedule_of(training, OptimiserSettings(**steps), own.schema)
    fit(model, rows, table.validation, schedule, seed=seed, names=(name,))
    return model.eval()


def _with_steps(training: dict[str, Any], rows: int) -> dict[str, Any]:
    """The settings with more epochs where these have too few steps."""
    per_epoch = max(rows // training["batch_size"], 1)
    epochs = max(training["max_epochs"], -(-FEWEST_STEPS // per_epoch))
    return {**training, "max_epochs": epochs}
