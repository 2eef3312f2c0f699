"""params.yaml, and which files of conf/ belong to it."""

from pathlib import Path
from typing import Any

import pytest

from emm.config.project import Project, load_project
from emm.core.errors import ParamsError
from tests.configuration import CENSUS, ROOT, Change, copy_conf, edit


def load(tmp_path: Path, change: Change = lambda tree: None) -> Project:
    """The project's own configuration with a change of params.yaml."""
    params = copy_conf(tmp_path)
    edit(params, change)
    return load_project(params)


def test_the_projects_own_file_is_valid() -> None:
    project = load_project(ROOT / "params.yaml")
    assert project.active.datasets == (CENSUS,)
    assert project.active.recipe == "default"
    assert project.active.memory_gib is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["table"].append("mmeo"), "table: 'mmeo' is neither .* did you mean 'mmoe'"),
        (lambda t: t["table"].append("emm"), "table: a name is listed twice"),
        (lambda t: t.update(datasets=[CENSUS, CENSUS]), "datasets: a name is listed twice"),
        (lambda t: t["episodes"].append("5-way-1-shot"), "episodes: a name is listed twice"),
        (lambda t: t.pop("trained"), "trained: missing; expected a list of text"),
        (lambda t: t.update(trained=None), "trained: got null, expected a list of text"),
        (lambda t: t.update(datasets=CENSUS), "datasets: got 'census-income', expected a list"),
        (lambda t: t.update(recipe=3), "recipe: got 3, expected text"),
        (lambda t: t.update(tarined=[]), "tarined: unknown key; did you mean 'trained'"),
        (lambda t: t.update(outside=["tm-1"]), "outside: 'tm-1' is in trained, too"),
        (lambda t: t.update(outside=["a", "a"]), "outside: a name is listed twice"),
        (lambda t: t.update(outside=["../a"]), "outside: got '../a', expected letters"),
        (lambda t: t.update(exported=["mme"]), "exported: 'mme' isn't in table.* 'mmoe'"),
        (lambda t: t.update(exported=["emm", "emm"]), "exported: a name is listed twice"),
        (lambda t: t.update(image=[]), "image: unknown key; did you mean 'images'"),
        (lambda t: t.update(memory_gib=0), "memory_gib: got 0, expected more than 0"),
        (lambda t: t.update(data={"memory_gib": 1}), "data: unknown key"),
    ],
)
def test_a_fault_of_params_yaml_is_named(tmp_path: Path, change: Change, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        load(tmp_path, change)


def test_all_faults_of_params_yaml_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"(?s)2 settings in .*recipe.*tarined"):
        load(tmp_path, lambda tree: tree.update(recipe=3, tarined=[]))


@pytest.mark.parametrize("text", ["a: [", "- 1", ""])
def test_a_params_file_without_the_keys_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError):
        load_project(tmp_path / "params.yaml")


def test_a_missing_file_names_the_folder_to_run_in(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="run this in the project's root"):
        load_project(tmp_path / "params.yaml")


def test_lists_that_may_be_left_out_are_empty(tmp_path: Path) -> None:
    def bare(tree: dict[str, Any]) -> None:
        for key in ("searched", "outside", "exported", "images", "episodes", "memory_gib"):
            del tree[key]

    active = load(tmp_path, bare).active
    assert (active.searched, active.images, active.episodes) == ((), (), ())
    assert (active.outside, active.exported) == ((), ())
    assert active.memory_gib is None


def test_another_recipe_may_be_asked_for(tmp_path: Path) -> None:
    params = copy_conf(tmp_path)
    tuned = load_project(params, "tuned").recipe(CENSUS)
    assert tuned.path == tmp_path / "conf" / CENSUS / "tuned.yaml"
    assert tuned.section("training.seeds") == [0, 1, 2]
    assert load_project(params).recipe(CENSUS).section("training.seeds") == [0]


@pytest.mark.parametrize("recipe", ["best", "data", "../qb-video/paper"])
def test_a_recipe_that_does_not_exist_names_those_that_do(tmp_path: Path, recipe: str) -> None:
    project = load(tmp_path, lambda tree: tree.update(recipe=recipe))
    with pytest.raises(ParamsError) as error:
        project.recipe(CENSUS)
    assert f"no recipe is called '{recipe}'" in str(error.value)
    assert "expected: one of default, paper, tuned\n" in str(error.value)
    assert f"add {tmp_path}/conf/{CENSUS}/{recipe}.yaml" in str(error.value)


def test_a_recipe_that_a_dataset_lacks_is_an_error(tmp_path: Path) -> None:
    project = load(tmp_path, lambda tree: tree.update(recipe="tuned"))
    with pytest.raises(ParamsError, match="no recipe is called 'tuned'; known: default, paper"):
        project.recipe("ali-ccp")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("census-incom", "did you mean 'census-income'"),
        ("xyz", "known: adult, ali-ccp, ali-ccp-prep"),
    ],
)
def test_a_dataset_that_does_not_exist_names_those_that_do(
    tmp_path: Path, name: str, hint: str
) -> None:
    project = load(tmp_path)
    for read in (project.data, project.recipe, project.source, project.paths):
        with pytest.raises(ParamsError, match=f"no dataset is called '{name}'; {hint}"):
            read(name)


def test_outputs_are_next_to_the_file(tmp_path: Path) -> None:
    project = load(tmp_path)
    assert project.root == tmp_path
    assert project.paths(CENSUS).processed == tmp_path / "data/processed/census-income"


def test_a_folder_of_conf_may_be_about_a_dataset_of_another_name(tmp_path: Path) -> None:
    project = load(tmp_path)
    edit(tmp_path / "conf/mine/data.yaml", lambda tree: tree.update(dataset=CENSUS))
    assert (project.source("mine"), project.source(CENSUS)) == (CENSUS, CENSUS)
    assert project.paths("mine").raw == project.paths(CENSUS).raw
    assert project.paths("mine").processed != project.paths(CENSUS).processed


def test_a_study_needs_only_what_differs_from_the_project(tmp_path: Path) -> None:
    copy_conf(tmp_path)
    study = tmp_path / "study"
    edit(
        study / "params.yaml",
        lambda tree: tree.update(base="../params.yaml", datasets=["mine"], recipe="tuned"),
    )
    base = f"../../../conf/{CENSUS}"
    edit(study / "conf/mine/data.yaml", lambda t: t.update(base=f"{base}/data.yaml", tasks=["a"]))
    edit(
        study / "conf/mine/tuned.yaml",
        lambda tree: tree.update(
            base=f"{base}/tuned.yaml",
            training={"max_epochs": 3},
            train={"other": {"like": "emm", "merge": True}},
        ),
    )
    project = load_project(study / "params.yaml")
    own = load_project(ROOT / "params.yaml", "tuned").recipe(CENSUS)
    assert project.active.fused == load_project(ROOT / "params.yaml").active.fused
    assert project.paths("mine").model("emm") == study / "data/models/mine/tuned/emm"
    assert project.data("mine").section("tasks") == ["a"]
    assert project.data("mine").section("evaluate") == {"calibration_bins": 15}
    recipe = project.recipe("mine")
    assert recipe.section("training") == {**own.section("training"), "max_epochs": 3}
    assert recipe.section("train.other") == {**own.section("train.emm"), "merge": True}
    assert recipe.section("pretrain") == own.section("pretrain")
