"""The whole of params.yaml, read and checked; everything wrong with it is reported at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emm.config.binding import bind, choose, nearest, raise_all
from emm.config.data import CheckSettings, DataParams, PreprocessSettings, SourceSettings
from emm.config.layers import read_layers
from emm.config.own import CustomDataSettings, custom_faults
from emm.config.recipe import EvaluateSettings, RecipeParams
from emm.core.errors import ParamsError
from emm.core.paths import Paths
from fewshot.settings import FewShotSettings, few_shot_faults

PARAMS_FILE = Path("params.yaml")


@dataclass(frozen=True)
class DatasetParams:
    """Everything that concerns one dataset.

    ``dataset``: the registered one, if the block has another name; ``table``: own files instead.
    """

    source: SourceSettings
    tasks: tuple[str, ...]
    preprocess: PreprocessSettings
    check_data: CheckSettings = field(metadata={"key": "check-data"})
    evaluate: EvaluateSettings
    paper: RecipeParams | None = None
    tuned: RecipeParams | None = None
    dataset: str | None = None
    table: CustomDataSettings | None = None

    @property
    def reads_bags(self) -> bool:
        """Whether whole bags are wanted: those that a table describes always are."""
        return self.preprocess.bags or bool(self.table and self.table.bags)


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
    data: DataParams = DataParams()  # noqa: RUF009
    few_shot: FewShotSettings = FewShotSettings()  # noqa: RUF009
    root: Path = Path()
    searched: tuple[str, ...] = ()

    def paths(self, dataset: str) -> Paths:
        """Where everything about one dataset's block lies."""
        return Paths(dataset, self.recipe, self.root, self.source(dataset))

    def source(self, dataset: str) -> str:
        """Name of the dataset that a block is about: by default the block's own."""
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
_LISTS = ("datasets", "trained", "baselines", "fused", "searched", "table")
FEW_SHOT = "few-shot"

# Rows of the table that no list in params.yaml names; their models may join the pool.
OTHER_ROWS = ("gbdt",)


def load_params(path: Path = PARAMS_FILE, recipe: str | None = None) -> Params:
    """Read and check params.yaml; raises one ParamsError that lists everything wrong with it.

    ``recipe`` takes the place of the file's own. Files and sections may vary others: see
    `emm.config.layers`.
    """
    tree = read_layers(path)
    if recipe is not None:
        tree["recipe"] = recipe
    errors: list[str] = []
    tree.setdefault("searched", [])
    lists = {key: bind(tuple[str, ...], tree.get(key), key, errors) for key in _LISTS}
    blocks = {
        str(key): bind(DatasetParams, value, str(key), errors)
        for key, value in tree.items()
        if key not in (*_LISTS, "recipe", "data", "study", FEW_SHOT)
    }
    data = bind(DataParams, tree.get("data", {}), "data", errors)
    few_shot = bind(FewShotSettings, tree.get(FEW_SHOT, {}), FEW_SHOT, errors)
    if tree.get("recipe") not in RECIPES:
        errors.append(f"recipe: got {tree.get('recipe')!r}, expected 'paper' or 'tuned'")
    errors.extend(_cross_check(lists, blocks))
    errors.extend(few_shot_faults(few_shot, str(tree.get("recipe"))) if few_shot else ())
    raise_all(errors)
    return Params(
        recipe=tree["recipe"],
        blocks=blocks,
        data=data,
        few_shot=few_shot,
        root=path.parent,
        **lists,
    )


def _cross_check(lists: Mapping[str, Any], blocks: Mapping[str, Any]) -> list[str]:
    errors = [
        f"datasets: {name!r} is active but has no block in params.yaml"
        for name in lists["datasets"]
        if name not in blocks
    ]
    groups = ("trained", "baselines", "fused", "searched")
    rows = {*(row for group in groups for row in lists[group]), *OTHER_ROWS}
    errors.extend(
        f"table: {name!r} is neither in {', '.join(groups[:-1])} nor {groups[-1]}; "
        f"{nearest(name, rows)}"
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
        fault
        for name, block in blocks.items()
        if block and block.table
        for fault in custom_faults(name, block.table, block.tasks)
    )
    errors.extend(_funnel_faults(blocks))
    errors.extend(
        f"{key}: a name stands there twice"
        for key in _LISTS
        if len(set(lists[key])) < len(lists[key])
    )
    return errors


def _funnel_faults(blocks: Mapping[str, Any]) -> Iterator[str]:
    for name, block in blocks.items():
        funnel = block.preprocess.funnel if block else ()
        if funnel and (len(funnel) != 2 or len({*funnel} & {*block.tasks}) != 2):
            where = f"{name}.preprocess.funnel"
            yield f"{where}: got {list(funnel)}, expected two of the tasks in order, or []"
        if funnel and "funnel" in block.tasks:
            yield f"{name}.tasks: no task may be called 'funnel' beside preprocess.funnel"
