"""params.yaml, and the files of conf/ as a stage reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import Field

from emm.config.project import ConfigFile, Project, load_project, split_section
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
    assert project.active.recipe == "paper"
    assert project.active.memory_gib is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["table"].append("mmeo"), "table: 'mmeo' is neither .* did you mean 'mmoe'"),
        (lambda t: t["table"].append("emm"), "table: a name is listed twice"),
        (lambda t: t.update(datasets=[CENSUS, CENSUS]), "datasets: a name is listed twice"),
        (lambda t: t["episodes"].append("5-way-1-shot"), "episodes: a name is listed twice"),
        (lambda t: t.pop("trained"), "trained: missing; expected a list of text"),
        (lambda t: t.update(trained=None), "trained: got None, expected a list of text"),
        (lambda t: t.update(datasets=CENSUS), "datasets: got 'census-income', expected a list"),
        (lambda t: t.update(recipe=3), "recipe: got 3, expected text"),
        (lambda t: t.update(tarined=[]), "tarined: unknown key; did you mean 'trained'"),
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
        for key in ("searched", "images", "episodes", "memory_gib"):
            del tree[key]

    active = load(tmp_path, bare).active
    assert (active.searched, active.images, active.episodes) == ((), (), ())
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
    assert "expected: one of paper, tuned\n" in str(error.value)
    assert f"add {tmp_path}/conf/{CENSUS}/{recipe}.yaml" in str(error.value)


def test_a_recipe_that_a_dataset_lacks_is_an_error(tmp_path: Path) -> None:
    project = load(tmp_path, lambda tree: tree.update(recipe="tuned"))
    with pytest.raises(ParamsError, match="no recipe is called 'tuned'; known: paper"):
        project.recipe("ali-ccp")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("census-incom", "did you mean 'census-income'"), ("xyz", "known: ali-ccp, ali-ccp-prep")],
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


@dataclass(frozen=True)
class Part:
    rate: Annotated[float, Field(gt=0)]
    names: tuple[str, ...] = ()


class Model:
    def __init__(self, inputs: int, *, widths: Sequence[int] = (8,), pool: int = 0) -> None:
        self.inputs, self.widths, self.pool = inputs, widths, pool


def config_file(tmp_path: Path, text: str) -> ConfigFile:
    (tmp_path / "paper.yaml").write_text(text)
    return ConfigFile(tmp_path / "paper.yaml")


def test_a_section_is_found_by_its_keys(tmp_path: Path) -> None:
    file = config_file(tmp_path, "train:\n  mmoe: {experts: 3}\n  4: {experts: 5}\n")
    assert file.section("train.mmoe") == {"experts": 3}
    assert file.section("train.mmoe.experts") == 3
    assert file.section("train.4") == {"experts": 5}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("training", r"no section is called 'training'; did you mean 'train'\?\n  where: FILE\n"),
        ("train.mmeo", r"called 'mmeo'; did you mean 'mmoe'\?\n  where: FILE: train\n"),
        ("train.mmoe.x.y", r"called 'x'; known: experts\n  where: FILE: train\.mmoe\n"),
        ("train.mmoe.experts.y", r"called 'y'; known: none\n  where: FILE: train\.mmoe\.experts"),
    ],
)
def test_a_missing_section_names_the_file_and_its_neighbours(
    tmp_path: Path, key: str, message: str
) -> None:
    file = config_file(tmp_path, "train: {mmoe: {experts: 3}}\n")
    with pytest.raises(ParamsError, match=message.replace("FILE", str(file.path))) as error:
        file.section(key)
    assert str(error.value).endswith(f"  next: add {key} to {file.path}")


def test_a_section_becomes_settings(tmp_path: Path) -> None:
    file = config_file(tmp_path, "part: {rate: 1e-3, names: [a, b]}\n")
    assert file.read("part", Part) == Part(0.001, ("a", "b"))


def test_an_absent_section_may_be_none(tmp_path: Path) -> None:
    file = config_file(tmp_path, "part: null\nother: {rate: 1}\n")
    assert file.read_optional("part", Part) is None
    assert file.read_optional("absent", Part) is None
    assert file.read_optional("other", Part) == Part(1.0)


def test_the_keys_of_other_stages_are_left_out_of_a_part(tmp_path: Path) -> None:
    file = config_file(tmp_path, "part: {rate: 1, names: [a], another: stage's}\n")
    assert file.read_part("part", Part) == Part(1.0, ("a",))
    with pytest.raises(ParamsError, match=r"part\.another: unknown key"):
        file.read("part", Part)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{rate: 0}", r"part\.rate: got 0, expected more than 0"),
        ("{rat: 1}", r"part\.rate: missing; expected a number more than 0"),
        ("null", "part: got None, expected the keys rate, names"),
        ("[1]", r"part: got \[1\], expected the keys rate, names"),
    ],
)
def test_a_fault_names_the_section_and_the_file(tmp_path: Path, text: str, message: str) -> None:
    file = config_file(tmp_path, f"part: {text}\n")
    for read in (file.read, file.read_part):
        with pytest.raises(ParamsError, match=message) as error:
            read("part", Part)
        assert str(file.path) in str(error.value)


def test_a_models_section_is_split_into_settings_and_arguments(tmp_path: Path) -> None:
    file = config_file(tmp_path, "train: {m: {rate: 2, widths: [3, 4]}, bare: }\n")
    settings, arguments = file.read_model("train.m", Model, Part, ("pool",))
    assert (settings, arguments) == (Part(2.0), {"widths": (3, 4)})
    with pytest.raises(ParamsError, match=r"train\.bare\.rate: missing"):
        file.read_model("train.bare", Model, Part)


@pytest.mark.parametrize("value", [[], 0, False, "text"])
def test_a_models_section_that_is_no_mapping_is_an_error(value: object) -> None:
    with pytest.raises(ParamsError, match=r"m: got .*, expected the keys rate, names, widths"):
        split_section(value, Model, "m", Part, ("pool",))


def test_all_faults_of_a_models_section_are_reported_at_once(tmp_path: Path) -> None:
    file = config_file(tmp_path, "train: {m: {rate: 0, width: [3], pool: 1, widths: 3}}\n")
    with pytest.raises(ParamsError) as error:
        file.read_model("train.m", Model, Part, ("pool",))
    lines = str(error.value).splitlines()
    assert lines[0] == f"4 settings in {file.path} can't be used:"
    assert sorted(lines[1:5]) == [
        "  - train.m.pool: unknown key; known: rate, names, widths",
        "  - train.m.rate: got 0, expected more than 0",
        "  - train.m.width: unknown key; did you mean 'widths'?",
        "  - train.m.widths: got 3, expected a list of a whole number",
    ]


def test_sections_that_nobody_reads_are_refused(tmp_path: Path) -> None:
    file = config_file(tmp_path, "trainig: {}\ntrain: {}\n1: {}\n")
    with pytest.raises(ParamsError) as error:
        file.refuse_unknown(("training", "train"))
    assert "trainig: unknown key; did you mean 'training'?" in str(error.value)
    assert "1: unknown key; known: training, train" in str(error.value)
    file.refuse_unknown(("trainig", "train", 1))  # type: ignore[arg-type]


def test_every_file_of_the_projects_conf_is_a_mapping() -> None:
    files = sorted((ROOT / "conf").glob("*/*.yaml"))
    assert files
    for file in files:
        assert yaml.safe_load(file.read_text()) == ConfigFile(file).tree
