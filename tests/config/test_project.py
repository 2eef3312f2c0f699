from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from emm.config import load_params
from emm.core.errors import ParamsError

ROOT = Path(__file__).parents[2]
Change = Callable[[dict[str, Any]], object]


def load(tmp_path: Path, change: Change) -> Any:
    tree = yaml.safe_load((ROOT / "params.yaml").read_text())
    change(tree)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    return load_params(tmp_path / "params.yaml")


def test_the_projects_own_file_is_sound() -> None:
    params = load_params(ROOT / "params.yaml")
    assert params.datasets == ("census-income",)
    assert params.recipe_of("census-income").training.seeds == (0,)


CENSUS = "census-income"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[CENSUS].update(sorce={}), "sorce: unknown key; did you mean 'source'?"),
        (lambda t: t[CENSUS].pop("tasks"), r"census-income\.tasks: missing"),
        (
            lambda t: t[CENSUS]["paper"]["training"].update(batch_size=1),
            r"training\.batch_size: got 1, expected at least 2",
        ),
        (lambda t: t.update(datasets=["avazu"]), "'avazu' is active but has no block"),
        (lambda t: t.update(recipe="best"), "recipe: got 'best'"),
        (lambda t: t["table"].append("mmeo"), "table: 'mmeo' is neither .* did you mean 'mmoe'"),
        (lambda t: t["table"].append("emm"), "table: a name stands there twice"),
        (lambda t: t.pop("trained"), "trained: got None"),
        (lambda t: t[CENSUS].update(tasks=[]), r"tasks: got \[\], expected at least one task"),
        (
            lambda t: t[CENSUS]["paper"]["training"].update(seeds=[]),
            r"paper\.training\.seeds: got \[\], expected at least one seed",
        ),
        (lambda t: t.update(tarined=[]), "tarined: got "),
        (
            lambda t: t[CENSUS]["paper"]["training"].update(optimiser="sgd"),
            r"training\.optimiser: got 'sgd', expected adam or adamw",
        ),
        (
            lambda t: t[CENSUS]["paper"]["training"].update(lr_schedule="cosine"),
            r"training\.lr_schedule: got 'cosine', expected constant or one-cycle",
        ),
        (
            lambda t: t[CENSUS]["paper"]["training"].update(ema_decay=1.5),
            r"training\.ema_decay: got 1\.5, expected at least 0 and at most 1",
        ),
        (
            lambda t: t[CENSUS]["paper"]["fusion"].update(fit_on="test"),
            r"fusion\.fit_on: got 'test', expected train or out-of-fold or held-out",
        ),
        (
            lambda t: t[CENSUS]["paper"]["fusion"].update(adapter="cubic"),
            r"fusion\.adapter: got 'cubic', expected linear",
        ),
        (
            lambda t: t[CENSUS]["paper"]["fusion"].update(folds=1),
            r"fusion\.folds: got 1, expected at least 2",
        ),
    ],
)
def test_a_fault_is_named(tmp_path: Path, change: Change, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        load(tmp_path, change)


@pytest.mark.parametrize(
    "funnel", [["click"], ["click", "click"], ["click", "buy"], ["click", "purchase", "click"]]
)
def test_a_funnel_is_of_two_tasks(tmp_path: Path, funnel: list[str]) -> None:
    message = r"ali-ccp\.preprocess\.funnel: got .*, expected two of the tasks in order, or \[\]"
    with pytest.raises(ParamsError, match=message):
        load(tmp_path, lambda tree: tree["ali-ccp"]["preprocess"].update(funnel=funnel))


def test_no_task_is_called_as_the_metrics_of_a_funnel(tmp_path: Path) -> None:
    def named(tree: dict[str, Any]) -> None:
        tree["ali-ccp"].update(tasks=["click", "funnel"])
        tree["ali-ccp"]["preprocess"].update(funnel=["click", "funnel"])

    with pytest.raises(ParamsError, match="no task may be called 'funnel'"):
        load(tmp_path, named)


def test_a_recipe_may_be_asked_for(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    params = load_params(tmp_path / "params.yaml", "tuned")
    assert params.recipe_of(CENSUS) == params.dataset(CENSUS).tuned
    with pytest.raises(ParamsError, match="recipe: got 'best'"):
        load_params(tmp_path / "params.yaml", "best")


def test_a_bare_protocol_is_that_of_the_paper(tmp_path: Path) -> None:
    def bare(tree: dict[str, Any]) -> None:
        training = tree[CENSUS]["paper"]["training"]
        for key in ("optimiser", "lr_schedule", "ema_decay", "sample_weights"):
            training.pop(key, None)
        tree[CENSUS]["paper"]["fusion"] = {"pool": []}

    recipe = load(tmp_path, bare).recipe_of(CENSUS)
    training = recipe.training
    assert (training.optimiser, training.lr_schedule, training.ema_decay) == (
        "adam",
        "constant",
        0.0,
    )
    assert training.sample_weights is False
    fusion = recipe.fusion
    assert (fusion.trees, fusion.adapter, fusion.fit_on) == ((), None, "train")


def test_only_networks_from_outside_need_code(tmp_path: Path) -> None:
    def outside(tree: dict[str, Any]) -> None:
        network = {"task": "income", "factory": "pool.mine:build", "weights": "a.safetensors"}
        trees = {"task": "income", "trees": "model.txt"}
        tree[CENSUS]["paper"]["fusion"]["pool"] = [network, trees]

    fusion = load(tmp_path, outside).recipe_of(CENSUS).fusion
    assert fusion.factories == ("pool.mine:build",)
    assert fusion.pool[1].trees == "model.txt"


def test_what_is_made_goes_beside_the_file(tmp_path: Path) -> None:
    params = load(tmp_path, lambda tree: None)
    assert params.paths(CENSUS).processed == tmp_path / "data/processed/census-income"


def test_a_block_may_be_about_a_dataset_of_another_name(tmp_path: Path) -> None:
    def renamed(tree: dict[str, Any]) -> None:
        tree["mine"] = {**tree[CENSUS], "dataset": CENSUS}

    params = load(tmp_path, renamed)
    assert (params.source("mine"), params.source(CENSUS)) == (CENSUS, CENSUS)
    assert params.paths("mine").raw == params.paths(CENSUS).raw
    assert params.paths("mine").processed != params.paths(CENSUS).processed


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    def change(tree: dict[str, Any]) -> None:
        tree["recipe"] = "best"
        tree[CENSUS]["sorce"] = {}

    with pytest.raises(ParamsError, match=r"(?s)2 things.*sorce.*recipe"):
        load(tmp_path, change)


def test_an_unknown_dataset_is_an_error(tmp_path: Path) -> None:
    params = load(tmp_path, lambda tree: None)
    with pytest.raises(ParamsError, match="did you mean 'census-income'"):
        params.dataset("census-incom")


def test_a_recipe_that_a_dataset_lacks_is_an_error(tmp_path: Path) -> None:
    def lacking(tree: dict[str, Any]) -> None:
        tree["recipe"] = "tuned"
        tree[CENSUS].pop("tuned")

    params = load(tmp_path, lacking)
    with pytest.raises(ParamsError, match="census-income has no recipe 'tuned'"):
        params.recipe_of(CENSUS)


@pytest.mark.parametrize("text", ["a: [", "- 1", ""])
def test_what_is_no_mapping_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError):
        load_params(tmp_path / "params.yaml")


def test_an_absent_file_says_where_to_stand(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="run this in the project's root"):
        load_params(tmp_path / "params.yaml")
