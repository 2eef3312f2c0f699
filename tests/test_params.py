from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from emm.core.errors import ParamsError
from emm.params import load_params

ROOT = Path(__file__).parent.parent
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
    ],
)
def test_a_fault_is_named(tmp_path: Path, change: Change, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        load(tmp_path, change)


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
    params = load(tmp_path, lambda tree: tree.update(recipe="tuned"))
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
