"""Bias of the conversion rate over the entire space, on generated funnels.

    python -m benchmarks.funnel --seeds 0 1 2 3 4

Clicked impressions are not a representative sample: appealing items are clicked more often, and
bought more often once clicked. A model that is trained on clicked rows only ("naive") sees little
of the others. It is compared with models of all impressions, on test rows whose true conversion
rate is known, clicked or not.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean, stdev
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.results import add_out, save
from emm.data.tables.rows import RowTensors
from emm.metrics.funnels import conversion_logits
from emm.models.escm2 import ESCM2
from emm.models.esmm import ESMM
from emm.models.mmoe import MMoE
from emm.models.single_task import SingleTask
from emm.models.stem import STEM
from emm.nn.inputs import Inputs
from emm.training.fit import Schedule, fit, predict
from emm.training.optimisers import Optimisation
from emm.training.seeds import seed_init

CLICK, CONVERSION = 0, 1
NETWORK: dict[str, Any] = {"embedding_dim": 8, "tower": [32, 16], "dropout": 0.0}
SCHEDULE = Schedule(Optimisation(0.003, 1e-5), batch_size=1024, max_epochs=30, patience=4)
RISK: dict[str, Any] = {"risk_weight": 0.1, "global_weight": 1.0, "least_propensity": 0.02}
EXPERTS: dict[str, Any] = {**NETWORK, "expert": [32], "tower": [16]}
MODELS = ("naive", "esmm", "escm2-ips", "escm2-dr", "mmoe", "stem")


@dataclass(frozen=True)
class Funnel:
    """Impressions with labels, and their true probabilities [N].

    ``click``: probability of a click; ``conversion``: that of a conversion, given a click.
    """

    rows: RowTensors
    click: Tensor
    conversion: Tensor


@dataclass(frozen=True)
class Bias:
    """Difference of a model's pCVR and the true CVR over all test rows, clicked or not.

    ``signed``: mean difference; ``absolute``: mean absolute difference.
    """

    signed: float
    absolute: float


class World:
    """Users and items whose appeal drives both the click and the conversion after it."""

    def __init__(self, seed: int, users: int = 500, items: int = 2_000) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.users, self.items = self._normal(users), self._normal(items)
        self.taste, self.quality = self._normal(users), self._normal(items)
        self.inputs = Inputs(dense=0, cardinalities=(users + 1, items + 1))

    def draw(self, rows: int) -> Funnel:
        """Impressions of random users and items; id 0 is reserved for unknown ones."""
        user = torch.randint(len(self.users), (rows,), generator=self.generator)
        item = torch.randint(len(self.items), (rows,), generator=self.generator)
        appeal = 0.6 * self.users[user] + 1.2 * self.items[item]
        inclination = 0.3 * self.taste[user] + 0.5 * self.quality[item]
        click, conversion = torch.sigmoid(appeal - 2.5), torch.sigmoid(appeal + inclination - 2.0)
        clicked = torch.rand(rows, generator=self.generator) < click
        converted = clicked & (torch.rand(rows, generator=self.generator) < conversion)
        labels = torch.stack([clicked, converted], dim=1).byte()
        sparse = torch.stack([user, item], dim=1).int() + 1
        return Funnel(RowTensors(torch.zeros(rows, 0), sparse, labels), click, conversion)

    def _normal(self, count: int) -> Tensor:
        return torch.randn(count, generator=self.generator)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=60_000, help="of train and of test")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    add_out(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    runs = {seed: biases(World(seed), seed, MODELS, options.rows) for seed in options.seeds}
    Console().print(_table(runs))
    record = {
        "rows": options.rows,
        "worlds": {seed: _facts(World(seed).draw(options.rows)) for seed in runs},
        "bias": {
            name: {seed: asdict(found[name]) for seed, found in runs.items()} for name in MODELS
        },
    }
    save(options.out, "funnel", record)


def biases(world: World, seed: int, models: Sequence[str], rows: int) -> dict[str, Bias]:
    """Bias of each model over ``rows`` impressions, trained on as many others."""
    train, validation, test = (world.draw(n) for n in (rows, rows // 4, rows))
    found = {}
    for name in models:
        seed_init(seed, name)
        model = build(name, world.inputs)
        rate = conversion_rate(model, name, seed, train.rows, validation.rows, test.rows)
        gap = rate.double() - test.conversion
        found[name] = Bias(float(gap.mean()), float(gap.abs().mean()))
    return found


def conversion_rate(
    model: nn.Module,
    name: str,
    seed: int,
    train: RowTensors,
    validation: RowTensors,
    test: RowTensors,
) -> Tensor:
    """pCVR [N] of the test rows by ``model``, after training in the pipeline's loop."""
    rows = len(train)
    if name == "naive":
        train, validation = clicked_only(train), clicked_only(validation)
    # All models take the same number of steps per epoch, however many rows they train on.
    schedule = replace(SCHEDULE, batch_size=SCHEDULE.batch_size * len(train) // rows)
    fit(model, train, validation, schedule, seed=seed, names=(name,))
    logits = predict(model, test)
    if name == "naive":
        return logits[:, 0].sigmoid()
    return conversion_logits(logits[:, CLICK], logits[:, CONVERSION]).sigmoid()


def build(name: str, inputs: Inputs) -> nn.Module:
    """The model with fresh weights; all have the same embeddings and similar towers."""
    kind, _, variant = name.partition("-")
    steps = {"funnel": (CLICK, CONVERSION)}
    match kind:
        case "naive":
            return SingleTask(inputs, 1, blocks=[], **NETWORK)
        case "esmm":
            return ESMM(inputs, 2, **steps, **NETWORK)
        case "escm2":
            return ESCM2(inputs, 2, variant=variant, **RISK, **steps, **NETWORK)
        case "mmoe":
            return MMoE(inputs, 2, experts=3, **EXPERTS)
        case _:
            return STEM(inputs, 2, specific_experts=1, shared_experts=1, **EXPERTS)


def clicked_only(rows: RowTensors) -> RowTensors:
    """The clicked rows, with the conversion as their only task."""
    return rows.rows(rows.labels[:, CLICK].nonzero().squeeze(1)).task(CONVERSION)


def _facts(funnel: Funnel) -> Mapping[str, float]:
    """True mean rates of clicks, of conversions given a click, and of these in clicked rows."""
    click, conversion = funnel.click.double(), funnel.conversion.double()
    among_clicked = (click * conversion).sum() / click.sum()
    rates = {"ctr": click.mean(), "cvr": conversion.mean(), "cvr_of_clicked": among_clicked}
    return {name: round(float(rate), 6) for name, rate in rates.items()}


def _table(runs: Mapping[int, Mapping[str, Bias]]) -> Table:
    table = Table("model", "mean pCVR - CVR", "mean |pCVR - CVR|")
    for name in MODELS:
        signed = [found[name].signed for found in runs.values()]
        absolute = [found[name].absolute for found in runs.values()]
        spreads = [stdev(each) if len(each) > 1 else 0.0 for each in (signed, absolute)]
        cells = (
            f"{fmean(signed):+.4f} ± {spreads[0]:.4f}",
            f"{fmean(absolute):.4f} ± {spreads[1]:.4f}",
        )
        table.add_row(name, *cells)
    return table


if __name__ == "__main__":
    main()
