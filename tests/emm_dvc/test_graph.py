"""The committed dvc.yaml files against the code and the lists of params.yaml."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo

from emm.config.active import Active
from emm.config.project import load_project
from emm.fusion.student_settings import NETWORKS
from emm.models import MODELS
from emm.training.structures import STRUCTURES
from emm.trees.libraries import MODULES
from emm_dvc.graph import (
    PUBLIC_API,
    REGISTRY,
    imported_files,
    loaded_by_name,
    missing_code,
    missing_model_code,
    read_stages,
    uncovered,
)

ROOT = Path(__file__).parents[2]
STAGES = read_stages(ROOT / "dvc.yaml")
ACTIVE = load_project(ROOT / "params.yaml").active
NETWORKS_OF_THE_POOL = {MODELS[name].partition(":")[0] for name in STRUCTURES}


@pytest.mark.parametrize("file", ["dvc.yaml", "study/dvc.yaml", "study/tables/dvc.yaml"])
def test_every_stage_depends_on_all_the_code_it_runs(file: str) -> None:
    assert missing_code(ROOT / file, ROOT) == []


def test_the_stage_of_the_baselines_depends_on_what_each_of_them_imports() -> None:
    assert missing_model_code(ROOT) == []


def test_a_missing_dependency_is_found() -> None:
    deps = [dep for dep in STAGES["decompose"]["deps"] if dep != "src/emm/trees"]
    script = Path("stages/decompose.py")
    lacking = uncovered(script, deps, ROOT)
    assert Path("src/emm/trees/forest.py") in lacking
    assert {file.parts[:3] for file in lacking} == {("src", "emm", "trees")}


def test_a_dependency_that_does_not_exist_is_found(tmp_path: Path) -> None:
    stage = {"cmd": "python stages/no.py", "deps": [f"{ROOT}/src/emm/no"]}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"a": stage}}))
    assert missing_code(tmp_path / "dvc.yaml", ROOT) == [
        "a runs stages/no.py, which doesn't exist",
        "a has the dep src/emm/no, which doesn't exist",
    ]


@pytest.mark.parametrize(
    ("stage", "modules"),
    [
        ("pretrain", {"emm.training.jobs", *NETWORKS_OF_THE_POOL}),
        ("decompose", NETWORKS_OF_THE_POOL),
        ("train-emm", {"emm.fusion.train", *NETWORKS_OF_THE_POOL}),
        ("train-trees", {"emm.trees.train", *MODULES.values()}),
        ("train-searched", {"emm.automtl.train"}),
        (
            "train-student",
            {
                "emm.fusion.students",
                *NETWORKS_OF_THE_POOL,
                *(f"emm.models.{network}" for network in NETWORKS),
            },
        ),
        ("preprocess", set()),
    ],
)
def test_the_job_of_each_kind_of_model(stage: str, modules: set[str]) -> None:
    assert loaded_by_name(STAGES[stage], _script(STAGES[stage]), ROOT) == modules


@pytest.mark.parametrize("stage", ["evaluate", "export"])
def test_the_evaluation_and_the_export_load_every_model(stage: str) -> None:
    modules = loaded_by_name(STAGES[stage], _script(STAGES[stage]), ROOT)
    files = imported_files(_script(STAGES[stage]), ROOT, modules)
    assert Path("src/emm/models/mmoe.py") in files
    assert Path("src/emm/fusion/emm.py") in files


def test_no_stage_needs_the_registry_as_a_models_name_is_that_of_its_module() -> None:
    assert (ROOT / REGISTRY).exists()
    for name, target in MODELS.items():
        module = target.partition(":")[0]
        assert module.rpartition(".")[2] == name or module.partition(".models.")[1] == ""


def test_no_stage_needs_the_public_functions_as_nothing_inside_imports_them() -> None:
    assert (ROOT / PUBLIC_API).exists()
    code = "import sys, emm; print([name for name in sys.modules if name.startswith('emm.')])"
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "[]\n"
    graph = grimp.build_graph("emm", "emm_dvc", "fewshot", cache_dir=None)
    assert graph.find_modules_that_directly_import("emm") == set()


def test_the_committed_lock_has_the_stages_of_the_graph() -> None:
    assert set(yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]) == _cells(ACTIVE)


@pytest.mark.parametrize("folder", ["", "study", "study/tables", "study/regimes"])
def test_every_parameter_of_a_stage_exists(folder: str) -> None:
    with Repo(str(ROOT / folder)) as repo:
        files = [
            (stage.addressing, dep)
            for stage in repo.index.stages
            for dep in stage.deps
            if isinstance(dep, ParamsDependency)
        ]
        missing = {
            (stage, str(dep.def_path), name)
            for stage, dep in files
            for name in {*dep.params} - {*dep.read_params()}
        }
    assert files
    assert missing == set()


def _script(stage: dict[str, Any]) -> Path:
    return Path(stage["cmd"].split()[1])


def _cells(active: Active) -> set[str]:
    """The names that DVC gives the stages."""
    found = set()
    for name, stage in STAGES.items():
        axes = stage.get("matrix", {"item": stage.get("foreach")})
        names = [""]
        for axis in axes.values():
            values = getattr(active, axis.strip("${}"))
            names = [f"{start}-{value}" if start else value for start in names for value in values]
        found |= {f"{name}@{each}" for each in names}
    return found
