from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from emm.config import load_params
from emm.models import MODELS, model_class
from emm_dvc.graph import REGISTRY, missing_rows, read_stages, scripts_of, uncovered

ROOT = Path(__file__).parents[2]
STAGES = read_stages(ROOT / "dvc.yaml")
GRAPHS = {
    f"{file}:{name}": stage
    for file in ("dvc.yaml", "study/dvc.yaml")
    for name, stage in read_stages(ROOT / file).items()
}


@pytest.mark.parametrize("name", GRAPHS)
def test_every_stage_depends_on_all_the_code_it_imports(name: str) -> None:
    stage = GRAPHS[name]
    assert [uncovered(script, stage["deps"], ROOT) for script in scripts_of(stage)] == [
        [] for _ in scripts_of(stage)
    ]


@pytest.mark.parametrize("name", GRAPHS)
def test_every_dependency_on_code_exists(name: str) -> None:
    code = [dep for dep in GRAPHS[name]["deps"] if dep.startswith(("src/", "stages/"))]
    assert [dep for dep in code if "$" not in dep and not (ROOT / dep).exists()] == []


def test_a_lacking_dependency_is_found() -> None:
    deps = [dep for dep in STAGES["train-emm"]["deps"] if "training/fit" not in dep]
    assert uncovered(Path("stages/train_emm.py"), deps, ROOT) == [Path("src/emm/training/fit.py")]
    assert (ROOT / REGISTRY).exists()


@pytest.mark.parametrize("name", MODELS)
def test_a_models_name_is_its_modules_so_that_the_registry_need_be_no_dependency(name: str) -> None:
    module = model_class(name).__module__
    assert module in (f"emm.models.{name}", f"emm.fusion.{name}")


def test_the_gathering_stages_wait_for_the_rows_of_params_yaml() -> None:
    assert missing_rows(STAGES, load_params(ROOT / "params.yaml")) == []


def test_a_row_without_its_dependency_is_named() -> None:
    params = load_params(ROOT / "params.yaml")
    more = replace(params, trained=(*params.trained, "tm-9"), table=params.table[1:])
    assert missing_rows(STAGES, more) == [
        "decompose lacks the dep data/models/${item}/${recipe}/tm-9",
        "report has the dep data/evaluation/${item}/${recipe}/tm-1, which no list names",
    ]


def test_a_kind_of_episodes_without_its_dependency_is_named() -> None:
    params = load_params(ROOT / "params.yaml")
    episodes = (*params.few_shot.episodes, "5-way-5-shot")
    more = replace(params, few_shot=replace(params.few_shot, episodes=episodes))
    assert missing_rows(STAGES, more) == [
        "meta-report lacks the dep data/evaluation/${item}/${recipe}/maml-5-way-5-shot"
    ]


def test_the_committed_lock_holds_no_stage_that_the_graph_has_lost() -> None:
    params = load_params(ROOT / "params.yaml")
    rows = {"pretrain": params.trained, "train": params.baselines, "train-emm": params.fused}
    rows |= {"search": params.searched, "train-searched": params.searched}
    rows["evaluate"] = params.table
    expected = {
        "-".join([f"{stage}@{dataset}", *([row] if row else [])])
        for stage, about in STAGES.items()
        for dataset in (params.few_shot.images if "few-shot" in str(about) else params.datasets)
        for row in rows.get(stage, ("",))
    }
    assert set(yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]) == expected
