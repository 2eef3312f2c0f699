"""The rows that the gathering stages wait for, and how `emm check --fix` writes them."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from emm.config.project import load_project
from emm.core.errors import ParamsError
from emm_dvc.rows import fix_rows, teachers_of, wrong_rows
from tests.configuration import CENSUS, edit

ROOT = Path(__file__).parents[2]
ACTIVE = load_project(ROOT / "params.yaml").active
MODELS = "data/models/${item}/${recipe}"
TAUGHT = "data/models/${item.dataset}/${recipe}"
SCORES = "data/evaluation/${item}/${recipe}"
FOLDERS = (MODELS, TAUGHT, SCORES)


@pytest.fixture
def dvc_yaml(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "dvc.yaml", tmp_path))


def params(folder: Path, **changes: object) -> Path:
    tree = yaml.safe_load((ROOT / "params.yaml").read_text()) | changes
    file = folder / "params.yaml"
    file.write_text(yaml.safe_dump(tree))
    return file


def test_the_committed_graph_waits_for_the_rows_of_params_yaml(dvc_yaml: Path) -> None:
    assert wrong_rows(dvc_yaml, ACTIVE) == []
    before = dvc_yaml.read_bytes()
    assert fix_rows(dvc_yaml, ROOT / "params.yaml") == []
    assert dvc_yaml.read_bytes() == before


def test_rows_that_differ_are_named(dvc_yaml: Path) -> None:
    more = replace(ACTIVE, trained=(*ACTIVE.trained, "tm-9"), table=ACTIVE.table[1:])
    assert wrong_rows(dvc_yaml, more) == [
        f"decompose: + {MODELS}/tm-9",
        f"train-student: + {TAUGHT}/tm-9",
        f"report: - {SCORES}/{ACTIVE.table[0]}",
    ]
    trees = replace(ACTIVE, trees=(*ACTIVE.trees, "boosted"))
    assert wrong_rows(dvc_yaml, trees) == [
        f"decompose: + {MODELS}/boosted",
        f"train-student: + {TAUGHT}/boosted",
    ]
    outside = replace(ACTIVE, outside=("risk",))
    assert wrong_rows(dvc_yaml, outside) == [
        "decompose: + data/scores/${item}/${recipe}/risk",
        "export: + data/scores/${item.dataset}/${recipe}/risk",
    ]
    episodes = replace(ACTIVE, episodes=(*ACTIVE.episodes, "5-way-5-shot"))
    assert wrong_rows(dvc_yaml, episodes) == [f"fewshot-report: + {SCORES}/maml-5-way-5-shot"]


def test_rows_are_added_removed_and_ordered_and_nothing_else_changes(dvc_yaml: Path) -> None:
    before = dvc_yaml.read_text()
    file = params(
        dvc_yaml.parent, trained=["tm-2", "tm-3"], table=["gbdt", "tm-3", "tm-2"], baselines=[],
        fused=[],
    )  # fmt: skip
    changes = fix_rows(dvc_yaml, file)
    assert changes[:2] == [f"decompose: + {MODELS}/tm-3", f"decompose: - {MODELS}/tm-1"]
    assert f"report: - {SCORES}/mmoe" in changes
    assert wrong_rows(dvc_yaml, load_project(file).active) == []
    after = yaml.safe_load(dvc_yaml.read_text())["stages"]
    rows = [dep for dep in after["report"]["do"]["deps"] if dep.startswith("data/evaluation")]
    assert rows == [f"{SCORES}/{row}" for row in ("gbdt", "tm-3", "tm-2")]
    others = [line for line in before.splitlines() if not any(each in line for each in FOLDERS)]
    assert [
        line
        for line in dvc_yaml.read_text().splitlines()
        if not any(each in line for each in FOLDERS)
    ] == others
    assert fix_rows(dvc_yaml, ROOT / "params.yaml") != []
    assert dvc_yaml.read_text() == before


def test_comments_of_rows_stay(dvc_yaml: Path) -> None:
    line = f"        - {MODELS}/tm-2\n"
    commented = f"        - {MODELS}/tm-2   # the wider one\n"
    dvc_yaml.write_text(dvc_yaml.read_text().replace(line, commented))
    fix_rows(dvc_yaml, params(dvc_yaml.parent, trained=["tm-2"], table=["tm-2"]))
    assert commented in dvc_yaml.read_text()


def test_a_list_of_deps_in_one_line_is_refused(dvc_yaml: Path) -> None:
    text = dvc_yaml.read_text()
    start = text.index("deps:", text.index("  decompose:"))
    dvc_yaml.write_text(text[:start] + "deps: [a]\n" + text[text.index("outs:", start) - 6 :])
    with pytest.raises(ParamsError, match="no stage 'decompose' with a list of deps"):
        wrong_rows(dvc_yaml, ACTIVE)


def test_the_students_stage_waits_for_the_fused_rows_that_teach(dvc_yaml: Path) -> None:
    teacher = f"{TAUGHT}/emm"
    assert wrong_rows(dvc_yaml, ACTIVE, ["emm"]) == [f"train-student: + {teacher}"]
    conf = dvc_yaml.parent / "conf"
    shutil.copytree(ROOT / "conf", conf)
    section = {"network": "mmoe", "teacher": "emm"}
    own = {"small": section, "labels": {**section, "soft_targets": 0}}
    edit(conf / f"{CENSUS}/default.yaml", lambda tree: tree["train"].update(own))
    for name, found in (("small", ["emm"]), ("labels", []), ("absent", [])):
        file = params(dvc_yaml.parent, students=["student", name])
        assert teachers_of(load_project(file)) == found
    file = params(dvc_yaml.parent, students=["student", "small"])
    assert fix_rows(dvc_yaml, file) == [f"train-student: + {teacher}"]
    assert teacher in yaml.safe_load(dvc_yaml.read_text())["stages"]["train-student"]["deps"]
    assert fix_rows(dvc_yaml, params(dvc_yaml.parent)) == [f"train-student: - {teacher}"]
    assert dvc_yaml.read_text() == (ROOT / "dvc.yaml").read_text()
