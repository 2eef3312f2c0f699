"""`emm check --fix` completes conf/: what DVC must see, with the value that it has anyway."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from emm.commands.check import check_project
from emm.config.files import read_layers
from emm.config.project import Project, load_project
from emm.core.errors import ParamsError
from emm.fusion.settings import FusionSettings
from emm.training.settings import TrainingSettings
from emm_dvc.fix_keys import fix_keys
from emm_dvc.graph import read_stages
from emm_dvc.keys import missing_keys
from tests.configuration import CENSUS, ROOT, copy_conf, edit

STAGES = read_stages(ROOT / "dvc.yaml")
SHOP = """\
# My shop.
source: {path: mine}
custom:
  tasks: {visit: visited, purchase: orders > 0}   # two
  split: {by: random, validation: 0.2, test: 0.2}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    """A project whose dataset is described by a data.yaml of three lines, and nothing else."""
    params = copy_conf(tmp_path)
    edit(params, lambda tree: tree.update(datasets=["shop"], recipe="default"))
    (tmp_path / "conf/shop").mkdir()
    (tmp_path / "conf/shop/data.yaml").write_text(SHOP)
    return load_project(params)


def test_own_data_needs_only_its_description(shop: Project) -> None:
    changes = fix_keys(STAGES, shop)
    assert [line.split(":")[0] for line in changes] == [
        "conf/shop/data.yaml",
        "conf/shop/default.yaml",
    ]
    assert missing_keys(STAGES, shop) == []
    check_project(shop)
    text = (shop.conf / "shop/data.yaml").read_text()
    assert text.startswith(SHOP)
    assert "tasks: [visit, purchase]\n" in text
    assert fix_keys(STAGES, shop) == []


def test_a_new_recipe_has_the_sections_of_the_active_models(shop: Project) -> None:
    fix_keys(STAGES, shop)
    file = shop.conf / "shop/default.yaml"
    tree = yaml.safe_load(file.read_text())
    template = yaml.safe_load((shop.conf / "default.yaml").read_text())
    assert file.read_text().startswith("# ")
    assert tree["training"] == template["training"]
    assert tree["pretrain"] == template["pretrain"]
    assert tree["train"]["mmoe"] == {}
    assert tree["train"]["emm"] == {"variant": "stacked"}
    active = shop.active
    models = {*active.baselines, *active.fused, *active.trees, *active.students}
    assert {*tree["train"]} == models
    assert tree["fusion"].items() <= template["fusion"].items()


def test_a_model_that_becomes_active_gets_its_section_and_others_keep_theirs(
    shop: Project,
) -> None:
    fix_keys(STAGES, shop)
    file = shop.conf / "shop/default.yaml"
    file.write_text(file.read_text().replace("  mmoe: {}\n", "  mmoe: {experts: 3}  # mine\n"))
    more = replace(shop, active=replace(shop.active, baselines=("mmoe", "stem")))
    assert fix_keys(STAGES, more) == ["conf/shop/default.yaml: + train.stem"]
    assert "  mmoe: {experts: 3}  # mine\n" in file.read_text()
    assert yaml.safe_load(file.read_text())["train"]["stem"] == {}


def test_what_another_recipe_lacks_is_added_with_its_fixed_default(tmp_path: Path) -> None:
    params = copy_conf(tmp_path)
    file = tmp_path / f"conf/{CENSUS}/paper.yaml"
    before = read_layers(file)

    def shorten(tree: dict[str, object]) -> None:
        del tree["fusion"]
        tree["training"] = {"batch_size": 64}

    edit(file, shorten)
    project = load_project(params)
    fix_keys(STAGES, project)
    assert missing_keys(STAGES, project) == []
    recipe = project.recipe(CENSUS)
    assert recipe.read("fusion", FusionSettings) == FusionSettings()
    assert recipe.read("training", TrainingSettings) == TrainingSettings(batch_size=64)
    after = read_layers(file)
    assert {k: v for k, v in after.items() if k not in ("fusion", "training")} == {
        k: v for k, v in before.items() if k not in ("fusion", "training")
    }


def test_only_the_file_of_the_recipe_default_is_created(shop: Project) -> None:
    paper = replace(shop, active=replace(shop.active, recipe="paper"))
    fix_keys(STAGES, paper)
    assert [file.name for file in (shop.conf / "shop").iterdir()] == ["data.yaml"]


def test_a_set_of_images_has_no_default_recipe(tmp_path: Path) -> None:
    params = copy_conf(tmp_path)
    edit(params, lambda tree: tree.update(recipe="default", images=["omniglot"]))
    project = load_project(params)
    assert fix_keys(STAGES, project) == []
    assert not (project.conf / "omniglot/default.yaml").exists()
    with pytest.raises(ParamsError, match=r"no recipe is called 'default'; known: paper, tuned"):
        check_project(project)


def test_a_damaged_file_is_an_error_and_stays(shop: Project) -> None:
    file = shop.conf / "shop/data.yaml"
    file.write_text("tasks: [\n")
    with pytest.raises(ParamsError, match="isn't YAML"):
        fix_keys(STAGES, shop)
    assert file.read_text() == "tasks: [\n"


@pytest.mark.parametrize("name", sorted(p.parent.name for p in ROOT.glob("conf/*/default.yaml")))
def test_the_default_recipe_of_a_registered_dataset_is_what_fix_writes(
    name: str, tmp_path: Path
) -> None:
    params = copy_conf(tmp_path)
    edit(params, lambda tree: tree.update(datasets=[name], recipe="default"))
    project = load_project(params)
    assert fix_keys(STAGES, project) == []
    file = tmp_path / f"conf/{name}/default.yaml"
    committed = file.read_text()
    file.unlink()
    fix_keys(STAGES, project)
    assert file.read_text() == committed
