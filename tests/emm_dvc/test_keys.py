"""Keys of conf/ that stages depend on."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from emm.config.project import Project, load_project
from emm_dvc.graph import read_stages
from emm_dvc.keys import missing_keys

ROOT = Path(__file__).parents[2]
STAGES = read_stages(ROOT / "dvc.yaml")


RECIPES = sorted((p.parent.name, p.stem) for p in ROOT.glob("conf/*/*.yaml") if p.stem != "data")


@pytest.mark.parametrize(("dataset", "recipe"), RECIPES)
def test_every_recipe_has_the_keys_of_its_stages(dataset: str, recipe: str) -> None:
    project = load_project(ROOT / "params.yaml")
    images = (dataset,) if dataset == "omniglot" else ()
    lists = {"datasets": () if images else (dataset,), "images": images, "recipe": recipe}
    active = replace(project.active, **lists)
    assert missing_keys(STAGES, replace(project, active=active)) == []


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one dataset and one baseline, without any settings."""
    lists = {"trained": [], "fused": [], "table": [], "baselines": ["mmoe"], "datasets": ["shop"]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({**lists, "recipe": "paper"}))
    (tmp_path / "conf/shop").mkdir(parents=True)
    for name in ("data", "paper"):
        (tmp_path / f"conf/shop/{name}.yaml").write_text("train: {mmoe: {}}\ntraining: {}\n")
    return load_project(tmp_path / "params.yaml")


def test_a_key_that_is_absent_is_named_once(project: Project) -> None:
    stages = {
        "train": {
            "matrix": {"dataset": "${datasets}", "model": "${baselines}"},
            "params": [
                "memory_gib",
                {"conf/${item.dataset}/${recipe}.yaml": ["training.seeds", "train.${item.model}"]},
            ],
        },
        "report": {
            "foreach": "${datasets}",
            "params": [{"conf/${item}/paper.yaml": ["training.seeds", "training"]}],
        },
    }
    assert missing_keys(stages, project) == [
        "conf/shop/paper.yaml lacks the key training.seeds, which a stage depends on"
    ]


def test_a_list_written_in_dvc_yaml_and_a_stage_without_cells(project: Project) -> None:
    stages = {
        "each": {"foreach": ["shop"], "params": [{"conf/${item}/data.yaml": ["tasks"]}]},
        "once": {"params": [{"conf/shop/data.yaml": ["source"]}]},
        "none": {"deps": ["src"]},
    }
    assert missing_keys(stages, project) == [
        "conf/shop/data.yaml lacks the key tasks, which a stage depends on",
        "conf/shop/data.yaml lacks the key source, which a stage depends on",
    ]
