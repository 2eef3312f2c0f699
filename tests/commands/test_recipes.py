"""The recipes of the project and of its study are valid."""

from dataclasses import replace
from pathlib import Path

import pytest

from emm.commands.check import check_project
from emm.config.project import Project, load_project
from emm.config.signatures import REQUIRED, keywords_of
from emm.fusion.settings import VARIANTS
from emm.models import MODELS
from tests.configuration import ROOT


def recipe_files(conf: str) -> list[Path]:
    return sorted(path for path in (ROOT / conf).glob("*/*.yaml") if path.stem != "data")


def with_models_of(project: Project, file: Path) -> Project:
    """The project with one dataset and recipe, and all models that sections of the recipe name."""
    dataset = file.parent.name
    active = replace(project.active, recipe=file.stem, datasets=(dataset,), table=())
    project = replace(project, active=active)
    recipe, funnel = project.recipe(dataset), project.data(dataset).section("preprocess")
    names = recipe.section("train")
    fused = [name for name, keys in names.items() if (keys or {}).get("variant") in VARIANTS]
    searched = [*recipe.tree.get("search", {})]
    students = [name for name, keys in names.items() if "network" in (keys or {})]
    trees = [name for name, keys in names.items() if name == "gbdt" or "library" in (keys or {})]
    others = (*fused, *searched, *students, *trees, "automtl")
    baselines = [name for name in names if name not in others]
    if recipe.section("fusion").get("fit_on") != "out-of-fold":
        students = []  # of the recipe that this one varies
    if not funnel.get("funnel"):
        baselines = [name for name in baselines if not needs_funnel(name)]
    lists = {"fused": fused, "searched": searched, "baselines": baselines, "students": students}
    lists["trees"] = trees
    lists["trained"] = [*recipe.section("pretrain")]
    return replace(project, active=replace(active, **{k: tuple(v) for k, v in lists.items()}))


def needs_funnel(model: str) -> bool:
    return keywords_of(MODELS[model]).get("funnel", (None, None))[1] is REQUIRED


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("file", recipe_files("conf"), ids=relative)
def test_every_recipe_is_valid_for_the_models_that_its_sections_name(file: Path) -> None:
    project = load_project(ROOT / "params.yaml")
    if file.parent.name == "omniglot":
        active = replace(project.active, recipe=file.stem, datasets=(), images=("omniglot",))
        check_project(replace(project, active=active))
        return
    project = with_models_of(project, file)
    assert project.active.baselines
    assert {"emm", "emm_paper", "ensemble"} <= {*project.active.fused}
    check_project(project)


@pytest.mark.parametrize("file", recipe_files("study/conf"), ids=relative)
def test_every_recipe_of_the_study_is_valid(file: Path) -> None:
    check_project(with_models_of(load_project(ROOT / "study/params.yaml"), file))


def test_the_recipe_of_many_tables_is_valid() -> None:
    check_project(load_project(ROOT / "study/tables/params.yaml"))


@pytest.mark.parametrize("name", ["params.yaml", "automtl.yaml"])
def test_the_recipes_of_the_study_have_all_models_that_it_names(name: str) -> None:
    project = load_project(ROOT / "study" / name)
    sections: dict[str, set[str]] = {"pretrain": set(), "train": set(), "search": set()}
    for dataset in project.active.datasets:
        assert project.data(dataset).section("tasks")
        files = [file for file in recipe_files("study/conf") if file.parent.name == dataset]
        assert files
        for file in files:
            recipe = with_models_of(project, file).recipe(dataset)
            for part, names in sections.items():
                names.update(recipe.tree.get(part, {}))
    active = project.active
    assert {*active.trained} <= sections["pretrain"]
    assert {*active.baselines, *active.fused, *active.searched} <= sections["train"]
    assert {*active.searched} <= sections["search"]
