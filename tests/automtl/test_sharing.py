"""The search finds the best sharing pattern of a problem for which it is known.

There are six fields. Two tasks depend on the sum of the first two, a third on that of the next two,
and the last two are noise. As an expert outputs a single number, it can't serve both sums: the two
tasks must share experts that read their fields, and the third needs experts of its own.
"""

from dataclasses import replace

import pytest
import torch

from emm.automtl.search import Outcome, search
from emm.automtl.settings import SearchSettings
from emm.automtl.space import Architecture
from emm.data.tables.rows import RowTensors
from emm.nn.inputs import Inputs
from emm.training.context import TrainingContext
from tests.training.tiny import IDENTITY, SCHEMA

pytestmark = pytest.mark.slow

FIELDS, SIZE = 6, 4
PATTERN = [{0, 1}, {0, 1}, {2, 3}]
ARGUMENTS = {
    "embedding_dim": 4,
    "tower": (),
    "dropout": 0.0,
    "levels": 1,
    "experts": 4,
    "layers": 1,
    "width": 1,
    "operators": ("identity", "mlp-16"),
}
SETTINGS = SearchSettings(
    batch_size=200,
    warm_up=1,
    joint=40,
    discretised=3,
    learning_rate=0.02,
    architecture_learning_rate=0.05,
    selection_weight=0.3,
)


def table(rows: int, seed: int) -> RowTensors:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, SIZE, (rows, FIELDS), generator=generator)
    effects = torch.tensor([-1.5, -0.5, 0.5, 1.5])[ids]
    sums = effects[:, :2].sum(dim=1), effects[:, 2:4].sum(dim=1)
    odds = torch.stack([sums[0], sums[0], 2 * sums[1]], dim=1).sigmoid()
    labels = torch.bernoulli(odds, generator=generator).byte()
    return RowTensors(torch.zeros(rows, 0), ids.int(), labels)


CONTEXT = TrainingContext(
    schema=replace(SCHEMA, tasks=("one", "two", "three"), dense=()),
    schema_sha256=IDENTITY,
    inputs=Inputs(0, (SIZE,) * FIELDS),
    train=table(4000, 1),
    validation=table(1000, 2),
    device=torch.device("cpu"),
    recipe="tuned",
)


def reached(architecture: Architecture) -> list[set[int]]:
    """The fields that each task reads, through any expert."""
    (experts,) = architecture.levels
    return [
        {field for k in own for field in (*experts[k].fields, *_pairs(experts[k].interactions))}
        for own in architecture.tasks
    ]


def _pairs(interactions: tuple[int, ...]) -> tuple[int, ...]:
    return interactions if len(interactions) > 1 else ()


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    """Searches with several seeds."""
    return [search(CONTEXT, replace(SETTINGS, seed=seed), ARGUMENTS) for seed in range(3)]


def validation(outcome: Outcome) -> float:
    return sum(outcome.history[-1]["auc"].values())


def test_the_search_chosen_on_validation_has_the_pattern(outcomes: list[Outcome]) -> None:
    best = max(outcomes, key=validation)
    assert reached(best.found.architecture) == PATTERN


def test_most_searches_have_the_pattern(outcomes: list[Outcome]) -> None:
    # A search can end with all experts serving two tasks, which shows in its validation AUC.
    found = [reached(outcome.found.architecture) == PATTERN for outcome in outcomes]
    assert sum(found) >= 2
