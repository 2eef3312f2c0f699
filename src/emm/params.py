"""params.yaml as frozen dataclasses; everything wrong with it is reported at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import yaml

from emm.core.binding import (
    Count,
    NotNegative,
    Positive,
    Range,
    bind,
    choose,
    nearest,
    raise_all,
)
from emm.core.errors import ParamsError

PARAMS_FILE = Path("params.yaml")


@dataclass(frozen=True)
class SourceParams:
    """``path``: a folder or file on this machine that holds the raw data, instead of a download."""

    path: str | None


@dataclass(frozen=True)
class PreprocessParams:
    """``rare_below``: a value seen fewer times than this in train becomes id 0."""

    seed: Annotated[int, Range(0)]
    rare_below: Count


@dataclass(frozen=True)
class CheckParams:
    """``max_column_auc``: a single column that ranks a task better than this is taken for a leak;
    ``rate_tolerance``: largest relative difference of a positive rate from that of train."""

    max_column_auc: Annotated[float, Range(0.5, 1)]
    rate_tolerance: Positive


@dataclass(frozen=True)
class EvaluateParams:
    """``calibration_bins``: bins of equal width of the expected calibration error."""

    calibration_bins: Count


@dataclass(frozen=True)
class TrainingParams:
    """The protocol that every model of a recipe shares; ``patience`` counts epochs, ``threads``
    are the processor threads of one training run."""

    seeds: tuple[Annotated[int, Range(0)], ...]
    batch_size: Annotated[int, Range(2)]
    max_epochs: Count
    patience: Count
    device: str
    threads: Count


@dataclass(frozen=True)
class OptimiserParams:
    """Adam's step size and its L2 penalty."""

    learning_rate: Positive
    weight_decay: NotNegative


@dataclass(frozen=True)
class OutsideModel:
    """A trained model from outside: its task, the function that builds it, and its weights.

    ``tower`` names the module that turns the last hidden layer into the logit; by default that is
    the last layer with weights.
    """

    task: str
    factory: str
    weights: str
    tower: str | None = None


@dataclass(frozen=True)
class FusionParams:
    """What the fused model is made of beside the pipeline's own trained models."""

    pool: tuple[OutsideModel, ...]

    @property
    def factories(self) -> tuple[str, ...]:
        """The code that the pool's models need."""
        return tuple(model.factory for model in self.pool)


@dataclass(frozen=True)
class RecipeParams:
    """One set of hyper-parameters: a section per trained-model structure and per model.

    The sections' keys are bound to the model's own signature by the stage that builds it.
    """

    training: TrainingParams
    pretrain: Mapping[str, Mapping[str, Any]]
    fusion: FusionParams
    train: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class DatasetParams:
    """Everything that concerns one dataset."""

    source: SourceParams
    tasks: tuple[str, ...]
    preprocess: PreprocessParams
    check_data: CheckParams = field(metadata={"key": "check-data"})
    evaluate: EvaluateParams
    paper: RecipeParams | None = None
    tuned: RecipeParams | None = None


@dataclass(frozen=True)
class Params:
    """The whole of params.yaml: what runs, and a block for each dataset."""

    datasets: tuple[str, ...]
    recipe: str
    trained: tuple[str, ...]
    baselines: tuple[str, ...]
    fused: tuple[str, ...]
    table: tuple[str, ...]
    blocks: Mapping[str, DatasetParams]

    def dataset(self, name: str) -> DatasetParams:
        """The block of one dataset; ParamsError if there is none."""
        choose("dataset", name, self.blocks, PARAMS_FILE, "name one of these, or add its block")
        return self.blocks[name]

    def recipe_of(self, dataset: str) -> RecipeParams:
        """The active recipe of a dataset; ParamsError if its block has none of that name."""
        recipe: RecipeParams | None = getattr(self.dataset(dataset), self.recipe)
        if recipe is None:
            raise ParamsError(
                f"{dataset} has no recipe {self.recipe!r}",
                where=f"{PARAMS_FILE}: {dataset}",
                expected=f"a section {dataset}.{self.recipe}",
                next_step="add the section or choose another `recipe`",
            )
        return recipe


RECIPES = ("paper", "tuned")
_LISTS = ("datasets", "trained", "baselines", "fused", "table")

# Rows of the table that no list in params.yaml names.
OTHER_ROWS = ("gbdt",)


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and check params.yaml; raises one ParamsError that lists everything wrong with it."""
    tree = _read_yaml(path)
    errors: list[str] = []
    lists = {key: bind(tuple[str, ...], tree.get(key), key, errors) for key in _LISTS}
    blocks = {
        str(key): bind(DatasetParams, value, str(key), errors)
        for key, value in tree.items()
        if key not in (*_LISTS, "recipe")
    }
    recipe = tree.get("recipe")
    if recipe not in RECIPES:
        errors.append(f"recipe: got {recipe!r}, expected 'paper' or 'tuned'")
    errors.extend(_cross_check(lists, blocks))
    raise_all(errors)
    return Params(recipe=str(recipe), blocks=blocks, **lists)


def _cross_check(lists: Mapping[str, Any], blocks: Mapping[str, Any]) -> list[str]:
    errors = [
        f"datasets: {name!r} is active but has no block in params.yaml"
        for name in lists["datasets"]
        if name not in blocks
    ]
    rows = {*lists["trained"], *lists["baselines"], *lists["fused"], *OTHER_ROWS}
    errors.extend(
        f"table: {name!r} is neither in trained, baselines nor fused; {nearest(name, rows)}"
        for name in lists["table"]
        if name not in rows
    )
    errors.extend(
        f"{name}.tasks: got [], expected at least one task"
        for name, block in blocks.items()
        if block and not block.tasks
    )
    errors.extend(
        f"{name}.{recipe}.training.seeds: got [], expected at least one seed"
        for name, block in blocks.items()
        for recipe in RECIPES
        if block and (found := getattr(block, recipe)) and not found.training.seeds
    )
    errors.extend(
        f"{key}: a name stands there twice"
        for key in _LISTS
        if len(set(lists[key])) < len(lists[key])
    )
    return errors


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParamsError(
            f"{path} isn't there", where=Path.cwd(), next_step="run this in the project's root"
        ) from error
    except yaml.YAMLError as error:
        raise ParamsError(f"{path} isn't YAML: {error}", where=path) from error
    if not isinstance(tree, dict):
        raise ParamsError(f"{path} holds no keys", where=path, got=type(tree).__name__)
    return tree
