"""Settings of few-shot images: conf/omniglot/."""

from pathlib import Path

import pytest

from emm.config.project import load_project
from emm.core.errors import ParamsError
from fewshot.settings import EpisodeSettings, read_episodes, read_image_set
from tests.configuration import ROOT, Change, Tree, copy_conf, edit

KIND = "5-way-1-shot"


def episodes(recipe: str, kind: str) -> EpisodeSettings:
    return read_episodes(load_project(ROOT / "params.yaml", recipe), "omniglot", kind)


def test_no_image_set_is_active_by_default() -> None:
    assert load_project(ROOT / "params.yaml").active.images == ()


@pytest.mark.parametrize("recipe", ["paper", "tuned"])
def test_both_recipes_have_every_kind_of_episodes(recipe: str) -> None:
    for kind in load_project(ROOT / "params.yaml").active.episodes:
        found = episodes(recipe, kind)
        assert f"{found.ways}-way-{found.shots}-shot" == kind
        assert found.test.episodes >= 600


def test_the_papers_recipe_is_that_of_the_paper() -> None:
    five, twenty = episodes("paper", KIND), episodes("paper", "20-way-1-shot")
    training = five.training
    assert (training.tasks, training.inner_rate, training.inner_steps) == (32, 0.4, 1)
    assert (twenty.training.tasks, twenty.training.inner_rate) == (16, 0.1)
    assert (five.test.inner_steps, twenty.training.inner_steps) == (3, 5)
    assert five.training.order == twenty.training.order == 2


def test_the_image_set_has_all_its_settings() -> None:
    found = read_image_set(load_project(ROOT / "params.yaml"), "omniglot")
    assert (found.source.path, found.side) == (None, 28)
    assert (found.split.train, found.split.validation) == (1100, 100)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(sides=3), "sides: unknown key; did you mean 'side'"),
        (lambda t: t.pop("split"), "no section is called 'split'"),
        (lambda t: t["split"].pop("train"), r"split\.train: missing"),
        (lambda t: t["split"].update(test=3), r"split\.test: unknown key"),
        (lambda t: t.update(side=2), "side: got 2, expected at least 4 and at most 105"),
        (lambda t: t["source"].update(file="x"), r"source\.file: unknown key"),
    ],
)
def test_a_fault_of_an_image_set_is_named(tmp_path: Path, change: Change, message: str) -> None:
    params = copy_conf(tmp_path)
    edit(tmp_path / "conf/omniglot/data.yaml", change)
    with pytest.raises(ParamsError, match=message) as error:
        read_image_set(load_project(params), "omniglot")
    assert str(tmp_path / "conf/omniglot/data.yaml") in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(ways=1), r"ways: got 1, expected at least 2"),
        (lambda t: t["training"].pop("tasks"), r"training\.tasks: missing"),
        (
            lambda t: t["training"].update(order=3),
            r"training\.order: got 3, expected at least 1 and at most 2",
        ),
        (
            lambda t: t["training"].update(lr_schedule="linear"),
            r"training\.lr_schedule: got 'linear', expected constant or cosine",
        ),
        (lambda t: t["test"].update(steps=3), r"test\.steps: unknown key"),
        (lambda t: t["test"].update(queries=[]), r"test\.queries: got \[\], expected at least one"),
    ],
)
def test_a_fault_of_a_kind_of_episodes_is_named(
    tmp_path: Path, change: Change, message: str
) -> None:
    params = copy_conf(tmp_path)

    def change_kind(tree: Tree) -> None:
        change(tree[KIND])

    edit(tmp_path / "conf/omniglot/paper.yaml", change_kind)
    with pytest.raises(ParamsError, match=message) as error:
        read_episodes(load_project(params), "omniglot", KIND)
    assert str(tmp_path / "conf/omniglot/paper.yaml") in str(error.value)


def test_names_that_do_not_exist_are_errors() -> None:
    project = load_project(ROOT / "params.yaml", "paper")
    with pytest.raises(ParamsError, match="did you mean 'omniglot'"):
        read_image_set(project, "omniglott")
    with pytest.raises(ParamsError, match="did you mean '5-way-1-shot'"):
        read_episodes(project, "omniglot", "5-way-1-shots")
    with pytest.raises(ParamsError, match="no recipe is called 'best'; known: paper, tuned"):
        read_episodes(load_project(ROOT / "params.yaml", "best"), "omniglot", KIND)
