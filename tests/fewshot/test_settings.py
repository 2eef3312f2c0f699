from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from emm.config import Params, load_params
from emm.core.errors import ParamsError

ROOT = Path(__file__).parents[2]
Tree = dict[str, Any]


def load(tmp_path: Path, change: Callable[[Tree], object]) -> Params:
    """The project's own params.yaml, with a change to its few-shot section."""
    tree = yaml.safe_load((ROOT / "params.yaml").read_text())
    change(tree["few-shot"])
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    return load_params(tmp_path / "params.yaml")


def settings(tree: Tree) -> Tree:
    found: Tree = tree["sets"]["omniglot"]["paper"]["5-way-1-shot"]
    return found


def test_no_set_of_images_is_active() -> None:
    assert load_params(ROOT / "params.yaml").few_shot.images == ()


@pytest.mark.parametrize("recipe", ["paper", "tuned"])
def test_both_recipes_have_every_kind_of_episodes(recipe: str) -> None:
    few_shot = load_params(ROOT / "params.yaml").few_shot
    for kind in few_shot.episodes:
        found = few_shot.kind_of("omniglot", recipe, kind)
        assert f"{found.ways}-way-{found.shots}-shot" == kind
        assert found.test.episodes >= 600


def test_the_papers_recipe_is_the_papers() -> None:
    few_shot = load_params(ROOT / "params.yaml").few_shot
    five = few_shot.kind_of("omniglot", "paper", "5-way-1-shot")
    twenty = few_shot.kind_of("omniglot", "paper", "20-way-1-shot")
    assert (five.training.tasks, five.training.inner_rate, five.training.inner_steps) == (
        32,
        0.4,
        1,
    )
    assert (twenty.training.tasks, twenty.training.inner_rate) == (16, 0.1)
    assert (five.test.inner_steps, twenty.training.inner_steps) == (3, 5)
    assert five.training.order == twenty.training.order == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(image=[]), "few-shot.image: unknown key; did you mean 'images'?"),
        (
            lambda t: t.update(images=["omniglott"]),
            "active but has no block; did you mean 'omniglo",
        ),
        (
            lambda t: t.update(images=["omniglot"], episodes=["5-way-5-shot"]),
            r"sets\.omniglot\.paper: there are no episodes '5-way-5-shot'",
        ),
        (lambda t: t["sets"]["omniglot"].pop("split"), r"omniglot\.split: missing"),
        (lambda t: settings(t).update(ways=1), r"ways: got 1, expected at least 2"),
        (lambda t: settings(t)["training"].pop("tasks"), r"training\.tasks: missing"),
        (
            lambda t: settings(t)["training"].update(order=3),
            r"training\.order: got 3, expected at least 1 and at most 2",
        ),
        (
            lambda t: settings(t)["training"].update(lr_schedule="linear"),
            r"training\.lr_schedule: got 'linear', expected constant or cosine",
        ),
        (lambda t: settings(t)["test"].update(steps=3), r"test\.steps: unknown key"),
        (lambda t: settings(t)["test"].update(queries=[]), r"test\.queries: got \[\]"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, change: Callable[[Tree], object], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        load(tmp_path, change)


def test_names_that_are_not_there_are_errors(tmp_path: Path) -> None:
    few_shot = load(tmp_path, lambda tree: None).few_shot
    with pytest.raises(ParamsError, match="did you mean 'omniglot'"):
        few_shot.set_of("omniglott")
    with pytest.raises(ParamsError, match="did you mean '5-way-1-shot'"):
        few_shot.kind_of("omniglot", "paper", "5-way-1-shots")


def test_a_file_without_the_section_has_no_images(tmp_path: Path) -> None:
    tree = yaml.safe_load((ROOT / "params.yaml").read_text())
    del tree["few-shot"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    assert load_params(tmp_path / "params.yaml").few_shot.images == ()
