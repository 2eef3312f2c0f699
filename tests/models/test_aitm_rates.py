"""AITM on generated funnels: predicted rates are the true ones in any order of the tasks."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from emm.data.tables.rows import RowTensors
from emm.models.aitm import AITM
from emm.nn.inputs import Inputs
from emm.training.context import arguments_of_data
from emm.training.fit import fit, predict
from emm.training.seeds import seed_init
from tests.training.fitting import schedule
from tests.training.tiny import SCHEMA

STEPS = ("click", "purchase")


def impressions(rows: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features [N, 4], a click [N] in about 23 % of the rows, a purchase [N] in about 3.6 %."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 4, generator=generator)
    draws = torch.rand(2, rows, generator=generator)
    click = draws[0] < torch.sigmoid(x[:, 0] + 0.5 * x[:, 1] - 1.5)
    purchase = click & (draws[1] < torch.sigmoid(x[:, 2] - x[:, 1] - 1.85))
    return x, click, purchase


def table(rows: int, seed: int, tasks: tuple[str, ...]) -> RowTensors:
    x, *labels = impressions(rows, seed)
    columns = dict(zip(STEPS, labels, strict=True)) | {"like": x[:, 3] > 1}
    sparse = torch.zeros(rows, 0, dtype=torch.int32)
    return RowTensors(x, sparse, torch.stack([columns[task] for task in tasks], dim=1).byte())


@pytest.mark.parametrize(
    "tasks", [("purchase", "click"), ("like", "purchase", "click")], ids=", ".join
)
def test_predicted_means_are_the_true_rates(tasks: tuple[str, ...]) -> None:
    train, validation = table(30_000, 0, tasks), table(30_000, 1, tasks)
    schema = replace(SCHEMA, tasks=tasks, funnel=STEPS)
    seed_init(0)
    model = AITM(
        Inputs(dense=4, cardinalities=()),
        len(tasks),
        bottom=[16, 8],
        tower=[],
        **arguments_of_data(AITM, schema, train),
    )
    how = schedule(
        learning_rate=0.005, lr_schedule="one-cycle", batch_size=500, max_epochs=6, patience=6
    )
    fit(model, train, validation, replace(how, choose_by="loss"), seed=0)
    found = predict(model, validation).sigmoid().mean(dim=0)
    rates = validation.labels.float().mean(dim=0)
    torch.testing.assert_close(found, rates, rtol=0.1, atol=0)
