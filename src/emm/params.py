"""params.yaml as frozen dataclasses; everything wrong with it is reported at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from emm.core.binding import (
    Count,
    NotNegative,
    OneOf,
    Positive,
    Range,
    Share,
    bind,
    choose,
    nearest,
    raise_all,
)
from emm.core.errors import ParamsError
from emm.core.layers import read_layers
from emm.core.paths import Paths

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
    """The protocol that every model of a recipe shares.

    ``patience`` counts epochs, ``threads`` are the processor threads of one training run.
    ``optimiser``: adam or adamw; ``course`` of the learning rate: constant or one-cycle;
    ``average``: decay per step of averaged weights, 0 for none. ``sample_weights``: weigh train
    rows in the loss as the dataset says. ``deterministic``: the same bits on CUDA too.
    """

    seeds: tuple[Annotated[int, Range(0)], ...]
    batch_size: Annotated[int, Range(2)]
    max_epochs: Count
    patience: Count
    device: str
    threads: Count
    optimiser: Annotated[str, OneOf("adam", "adamw")] = "adam"
    course: Annotated[str, OneOf("constant", "one-cycle")] = "constant"
    average: Share = 0.0
    sample_weights: bool = False
    deterministic: bool = False


@dataclass(frozen=True)
class OptimiserParams:
    """The optimiser's step size and weight decay, and how the tasks' losses are weighed: the
    ``rule`` of `emm.training.weighting` with its arguments."""

    learning_rate: Positive
    weight_decay: NotNegative
    weighting: Mapping[str, Any] = field(default_factory=lambda: {"rule": "equal"})


FitOn = Annotated[str, OneOf("train", "out-of-fold", "held-out")]


@dataclass(frozen=True)
class OutsideModel:
    """A trained model from outside: its task, and what it is made from.

    A network: ``factory``, the function that builds it, and its ``weights``; ``tower`` names the
    module that turns the last hidden layer into the logit, by default the last layer with weights.
    Boosted trees: ``trees``, the file that LightGBM or XGBoost saved.
    """

    task: str
    factory: str | None = None
    weights: str | None = None
    tower: str | None = None
    trees: str | None = None


@dataclass(frozen=True)
class FusionParams:
    """What the fused models are made of, and on which rows they learn.

    ``pool``: models from outside, beside the pipeline's own; ``networks``: those of ``trained``, by
    default all; ``trees``: rows of boosted trees that join them; ``adapter``: ``linear`` cuts
    networks of different widths alike and learns what fits them together.

    ``fit_on``: ``train``, all rows with what the pool says of them; ``out-of-fold``, all rows with
    what models say that haven't seen them, each trained without one of ``folds`` parts;
    ``held-out``, the first of these parts alone, on which then no trained model learns.
    """

    pool: tuple[OutsideModel, ...]
    networks: tuple[str, ...] = ()
    trees: tuple[str, ...] = ()
    adapter: Annotated[str, OneOf("linear")] | None = None
    fit_on: FitOn = "train"
    folds: Annotated[int, Range(2)] = 5

    @property
    def factories(self) -> tuple[str, ...]:
        """The code that the pool's models need."""
        return tuple(model.factory for model in self.pool if model.factory)


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
    """Everything that concerns one dataset.

    ``dataset``: the registered one, if the block has another name.
    """

    source: SourceParams
    tasks: tuple[str, ...]
    preprocess: PreprocessParams
    check_data: CheckParams = field(metadata={"key": "check-data"})
    evaluate: EvaluateParams
    paper: RecipeParams | None = None
    tuned: RecipeParams | None = None
    dataset: str | None = None


@dataclass(frozen=True)
class Params:
    """The whole of params.yaml: what runs, and a block for each dataset.

    ``root``: the folder of the file, in which everything made goes.
    """

    datasets: tuple[str, ...]
    recipe: str
    trained: tuple[str, ...]
    baselines: tuple[str, ...]
    fused: tuple[str, ...]
    table: tuple[str, ...]
    blocks: Mapping[str, DatasetParams]
    root: Path = Path()

    def paths(self, dataset: str) -> Paths:
        """Where everything about one dataset's block lies."""
        return Paths(dataset, self.recipe, self.root, self.source(dataset))

    def source(self, dataset: str) -> str:
        """Name of the registered dataset that a block is about: by default the block's own."""
        return self.dataset(dataset).dataset or dataset

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

# Rows of the table that no list in params.yaml names; their models may join the pool.
OTHER_ROWS = ("gbdt",)


def load_params(path: Path = PARAMS_FILE, recipe: str | None = None) -> Params:
    """Read and check params.yaml; raises one ParamsError that lists everything wrong with it.

    ``recipe`` takes the place of the file's own. Files and sections may vary others: see
    `emm.core.layers`.
    """
    tree = read_layers(path)
    if recipe is not None:
        tree["recipe"] = recipe
    errors: list[str] = []
    lists = {key: bind(tuple[str, ...], tree.get(key), key, errors) for key in _LISTS}
    blocks = {
        str(key): bind(DatasetParams, value, str(key), errors)
        for key, value in tree.items()
        if key not in (*_LISTS, "recipe", "study")
    }
    if tree.get("recipe") not in RECIPES:
        errors.append(f"recipe: got {tree.get('recipe')!r}, expected 'paper' or 'tuned'")
    errors.extend(_cross_check(lists, blocks))
    raise_all(errors)
    return Params(recipe=tree["recipe"], blocks=blocks, root=path.parent, **lists)


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
