"""Which job the stage `train` does for a model, by the list of params.yaml that names it."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from emm.config.project import Project, load_project
from emm.core.errors import ParamsError
from emm.training.jobs import JOBS, Job, job_of
from emm.training.settings import PoolSettings
from tests.configuration import CENSUS, ROOT, Change, copy_conf, edit


def project(tmp_path: Path, change: Change = lambda tree: None) -> Project:
    params = copy_conf(tmp_path)
    edit(params, lambda tree: tree.update(searched=["automtl"], students=["student", "small"]))
    student = {"network": "ple", "soft_targets": 0}
    edit(tmp_path / f"conf/{CENSUS}/paper.yaml", lambda tree: tree["train"].update(small=student))
    edit(tmp_path / f"conf/{CENSUS}/paper.yaml", change)
    return load_project(params)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("tm-2", "trained"),
        ("aitm", "baselines"),
        ("automtl", "searched"),
        ("emm_paper", "fused"),
        ("small", "students"),
        ("gbdt", "trees"),
    ],
)
def test_the_list_that_names_a_model_decides_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, kind: str
) -> None:
    asked = []

    def prepare(project: Project, dataset: str, model: str) -> Job:
        asked.append((dataset, model))
        return real(project, dataset, model)

    module, _, function = JOBS[kind].partition(":")
    real: Any = getattr(import_module(module), function)
    monkeypatch.setattr(f"{module}.{function}", prepare)
    job = job_of(project(tmp_path), CENSUS, model)
    assert asked == [(CENSUS, model)]
    assert job.training.batch_size == 1024


def test_every_list_of_models_has_its_job() -> None:
    active = load_project(ROOT / "params.yaml").active
    for kind in JOBS:
        assert isinstance(getattr(active, kind), tuple)


@pytest.mark.parametrize(
    ("model", "hint"), [("mmeo", "did you mean 'mmoe'"), ("xyz", "known: tm-1, tm-2, gbdt, shared")]
)
def test_a_model_of_no_list_is_an_error(tmp_path: Path, model: str, hint: str) -> None:
    with pytest.raises(ParamsError, match=f"no model is called '{model}'; {hint}") as error:
        job_of(project(tmp_path), CENSUS, model)
    assert f"where: {tmp_path}/params.yaml" in str(error.value)


def test_a_model_that_is_not_active_is_an_error(tmp_path: Path) -> None:
    found = project(tmp_path)
    bare = replace(found, active=replace(found.active, baselines=()))
    with pytest.raises(ParamsError, match="no model is called 'mmoe'"):
        job_of(bare, CENSUS, "mmoe")


def test_a_baseline_that_is_no_model_is_an_error(tmp_path: Path) -> None:
    found = project(tmp_path)
    wrong = replace(found, active=replace(found.active, baselines=("mmeo",)))
    with pytest.raises(ParamsError, match="no model is called 'mmeo'; did you mean 'mmoe'"):
        job_of(wrong, CENSUS, "mmeo")


@pytest.mark.parametrize("model", ["tm-1", "mmoe", "automtl", "emm", "gbdt"])
def test_a_fault_of_the_models_section_is_found_before_training(tmp_path: Path, model: str) -> None:
    part = "pretrain" if model == "tm-1" else "train"
    found = project(tmp_path, lambda tree: tree[part][model].update(wrong=1))
    with pytest.raises(ParamsError, match=rf"{part}\.{model}\.wrong: unknown key"):
        job_of(found, CENSUS, model)


@pytest.mark.parametrize("model", ["tm-1", "gbdt"])
def test_other_settings_of_the_fusion_are_no_settings_of_a_pool_member(
    tmp_path: Path, model: str
) -> None:
    def change(tree: dict[str, Any]) -> None:
        tree["fusion"].update(adapter="cubic", pool="text", fit_on="out-of-fold", trees=["gbdt"])

    job = job_of(project(tmp_path, change), CENSUS, model)
    assert job.settings["pool"] == PoolSettings("out-of-fold", 5, (), ("gbdt",))


def test_the_code_and_files_that_a_fusion_reads_are_part_of_its_origin(tmp_path: Path) -> None:
    found = project(tmp_path)
    job = job_of(found, CENSUS, "emm")
    assert job.sources == (found.paths(CENSUS).components,)
    assert job.code == (Path("pool"),)
    assert set(job.settings) == {"training", "section", "fusion"}


def test_boosted_trees_are_trained_on_the_cpu(tmp_path: Path) -> None:
    found = project(tmp_path, lambda tree: tree["training"].update(device="cuda"))
    assert job_of(found, CENSUS, "gbdt").training.device == "cpu"
    assert job_of(found, CENSUS, "tm-1").training.device == "cuda"
