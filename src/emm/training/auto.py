"""What a recipe with ``training.defaults: auto`` leaves out, chosen from the processed table.

Each rule reads only schema.json: the rows of train, the rarest class in validation, and the ids.
`benchmarks/default_recipe.py` repeats the comparisons behind the numbers; docs/tuning.md has them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log2, sqrt
from typing import Any

from emm.config.project import ConfigFile, Project
from emm.config.signatures import keywords_of
from emm.core.progress import say
from emm.data.tables.schema import BINARY, Schema, load_schema
from emm.models import MODELS
from emm.training.settings import TrainingSettings
from emm.training.structures import network_of

_BATCHES = (16, 8_192)  # smallest and largest number of rows
_EPOCHS, _WITH_RARE = 6, 9  # at most
_STEPS = 4_000  # of all epochs together, at most
_RARE = 100  # rows of a class in validation, below which it is rare

_STRUCTURES: Mapping[str, Mapping[str, Any]] = {
    "tabm": {"learning_rate": 0.003, "heads": 8, "layers": [128, 128], "dropout": 0.1},
    "dcnv2": {"learning_rate": 0.002, "crosses": 3, "layers": [128, 64]},
    "realmlp": {"learning_rate": 0.02, "layers": [128, 128, 128], "dropout": 0.15},
    "ft_transformer": {"learning_rate": 0.001, "weight_decay": 0.0001, "dropout": 0.1},
    "sluice": {"width": 32, "tower": [16]},  # its layers have one width
}
"""What these networks have instead of the other networks' values."""


@dataclass(frozen=True)
class Facts:
    """What the rules know of a table.

    Attributes:
        rows: number of rows of train.
        rarest: the smallest number of rows of one class in validation, over all binary tasks and
            tasks of classes; the number of its rows if there is no such task.
        ids: number of ids of all sparse columns together.
    """

    rows: int
    rarest: int
    ids: int


def facts_of(schema: Schema) -> Facts:
    """The facts of a processed table."""
    validation = schema.splits["validation"]
    rarest = validation.rows
    for task in schema.tasks:
        rates = list(validation.class_rates.get(task, ()))
        if schema.kind(task) == BINARY:
            rate = validation.positive_rate[task]
            rates = [rate, 1 - rate]
        rarest = min([rarest, *(round(rate * validation.labelled_rows(task)) for rate in rates)])
    return Facts(schema.splits["train"].rows, rarest, sum(schema.cardinalities))


def complete_recipe(project: Project, dataset: str) -> ConfigFile:
    """The active recipe of a dataset, with the settings that it leaves to the table.

    Without ``defaults: auto`` the recipe is returned as it is, and no data is read.
    """
    recipe = project.recipe(dataset)
    if recipe.read("training", TrainingSettings).defaults == "fixed":
        return recipe
    facts = facts_of(load_schema(project.paths(dataset).schema))
    complete = ConfigFile(recipe.path, dict(_sections(project, recipe, facts)))
    chosen = complete.section("training")
    values = ", ".join(f"{key} {chosen[key]}" for key in ("batch_size", "max_epochs", "choose_by"))
    say(f"{recipe.path}: {values} for {facts.rows:,} rows of train")
    return complete


def _sections(
    project: Project, recipe: ConfigFile, facts: Facts
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The defaults of every section of the active models."""
    active = project.active
    yield "training", training_defaults(facts)
    for name in active.trees:
        section = recipe.section(f"train.{name}")
        library = section.get("library") if isinstance(section, Mapping) else None
        yield f"train.{name}", tree_defaults(facts, str(library or "lightgbm"))
    for name in active.trained:
        structure = network_of(recipe.section(f"pretrain.{name}"))
        yield f"pretrain.{name}", network_defaults(facts, structure)
    for name in active.baselines:
        yield f"train.{name}", network_defaults(facts, name)
    for name in active.fused:
        section = recipe.section(f"train.{name}")
        variant = section.get("variant") if isinstance(section, Mapping) else None
        yield f"train.{name}", fused_defaults(facts, str(variant))
    for name in active.students:
        section = recipe.section(f"train.{name}")
        network = section.get("network") if isinstance(section, Mapping) else None
        yield f"train.{name}", network_defaults(facts, str(network))


def training_defaults(facts: Facts) -> dict[str, Any]:
    """Keys of the section `training`.

    A batch has about sqrt(rows) rows, a power of two. There are six epochs, fewer if these were
    more than 4,000 steps, and nine if a class is rare. The learning rate rises and falls once over
    all of them, and all of them run: no early epoch with a lucky score ends the training. What is
    evaluated is an average of the weights over the last steps. Where a class is rare, the best
    epoch has the least loss, as the order of few rows is mostly luck.
    """
    rare = facts.rarest < _RARE
    batch_size = _within(2 ** round(log2(sqrt(max(facts.rows, 1)))), _BATCHES)
    most = _WITH_RARE if rare else _EPOCHS
    return {
        "batch_size": batch_size,
        "max_epochs": _within(round(_STEPS * batch_size / max(facts.rows, 1)), (2, most)),
        "patience": 100,
        "choose_by": "loss" if rare else "score",
        "optimiser": "adamw",
        "lr_schedule": "one-cycle",
        "ema_decay": 0.99,
    }


def network_defaults(facts: Facts, model: str) -> dict[str, Any]:
    """Keys of a network's section that the model has; {} for a model that doesn't exist."""
    wide = 128 if facts.rows >= 20_000 else 64
    known = keywords_of(MODELS[model]) if model in MODELS else {}
    hidden = {"blocks": [[wide, 32], [wide, 32]], "bottom": [wide, 32], "expert": [64, 32]}
    # Without hidden layers before it, the tower is the whole network of a task.
    tower = [16] if known.keys() & hidden.keys() else [wide, 32]
    found = {
        "embedding_dim": 8 if facts.ids >= 100 else 4,
        "dense_encoding": "piecewise",
        "dropout": 0.2,
        # Of AdaTT per task, of HoME per task and per category.
        "experts": 2 if model in ("adatt", "home") else 4,
        "levels": 1,
        "tower": tower,
        **hidden,
    }
    steps = {"learning_rate": 0.005, "weight_decay": 0.01}
    own = {key: value for key, value in found.items() if key in known}
    return {**steps, **own, **_STRUCTURES.get(model, {})}


def fused_defaults(facts: Facts, variant: str) -> dict[str, Any]:
    """Keys of a fused model's section."""
    if variant == "aligned":  # few weights learn: the shares of the members and of their parts
        return {
            "learning_rate": 0.02,
            "weight_decay": 0.0001,
            "max_epochs": 4,
            "merge": False,
            "constant_gates": True,
            "start": {"towers": "frozen"},
        }
    return network_defaults(facts, "emm") if variant == "paper" else {}


def tree_defaults(facts: Facts, library: str) -> dict[str, Any]:
    """Keys of the section of boosted trees of a library."""
    leaves = 7 if facts.rows < 10_000 else 15 if facts.rows < 50_000 else 31
    if library == "catboost":
        return {
            "learning_rate": 0.05,
            "max_iterations": 1000,
            "depth": 4 if facts.rows < 10_000 else 5 if facts.rows < 50_000 else 6,
            "l2_regularization": 3.0,
            "patience": 50,
        }
    shared: dict[str, Any] = {
        "learning_rate": 0.05,
        "max_iterations": 1000,
        "min_samples_leaf": 20,
        "l2_regularization": 1.0,
        "patience": 50,
    }
    if library == "lightgbm" and facts.rows < 50_000:
        # Settings for large tables would leave no set of ids to split by: benchmarks/.
        shared |= {
            "columns_per_tree": 0.7,
            "category_smoothing": 10.0,
            "category_l2": 1.0,
            "min_samples_category": 20,
        }
    return shared | {"max_leaf_nodes": leaves}


def _within(value: int, bounds: tuple[int, int]) -> int:
    low, high = bounds
    return min(max(value, low), high)
