"""Random parts of tables, and a generated one, for comparisons of scores that take an hour."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

import emm
from benchmarks.funnel import World
from benchmarks.generated_schema import generated_schema
from emm.api.datasets import Dataset
from emm.data.tables.rows import Rows, RowTensors
from emm.data.tables.schema import Split
from emm.training.auto import Facts
from emm.training.context import TrainingContext


@dataclass(frozen=True)
class Generated(Dataset):
    """Generated rows instead of a folder."""

    rows: RowTensors | None = None

    def split(self, name: str) -> Rows:
        """The rows of train, validation or test."""
        return self.rows if name == "test" and self.rows else super().split(name)


def facts_of(context: TrainingContext) -> Facts:
    """What the recipe's rules know, of the rows that are learned."""
    labels = context.validation.labels.float()
    counts = [labels.eq(value).sum(dim=0).min().item() for value in (0, 1)]
    return Facts(len(context.train), int(min(counts)), sum(context.schema.cardinalities))


def open_table(name: str, data: Path, rows: int) -> Dataset:
    """A table with at most ``rows`` random rows of train, and a quarter as many of validation."""
    if name == "funnel":
        return generated_funnel(rows)
    dataset = emm.load_dataset(data / name, device="cpu")
    context = dataset.context
    train, validation = part(context.train, rows, 0), part(context.validation, rows // 4, 1)
    return replace(dataset, context=replace(context, train=train, validation=validation))


def part(rows: Rows, count: int, seed: int) -> Rows:
    """Random rows, in their order; all if there are no more."""
    if len(rows) <= count:
        return rows
    generator = torch.Generator().manual_seed(seed)
    return rows.rows(torch.randperm(len(rows), generator=generator)[:count].sort().values)


def generated_funnel(rows: int) -> Dataset:
    """Impressions of users and items with clicks, and conversions after some of them."""
    world = World(0)
    train, validation, test = (world.draw(n).rows for n in (rows, rows // 4, rows))
    tasks = ("click", "conversion")
    schema = replace(
        generated_schema(tasks, 0, world.inputs.cardinalities),
        splits={"train": Split(rows, {}), "validation": Split(rows // 4, {})},
        funnel=tasks,
    )
    cpu = torch.device("cpu")
    context = TrainingContext(schema, "", world.inputs, train, validation, cpu, "default")
    return Generated(Path(), context, None, test)
