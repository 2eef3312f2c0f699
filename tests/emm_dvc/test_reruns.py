"""What an edit of the project reruns: the real graph, in a copy without data."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from emm.config.project import load_project
from emm_dvc.accept.accept import changed_stages
from emm_dvc.accept.lock import relock
from emm_dvc.repro.graph import ask_plan
from emm_dvc.rows import fix_rows
from tests.configuration import Tree, edit

ROOT = Path(__file__).parents[2]
FILES = (
    "src",
    "stages",
    "conf",
    "pool",
    "docs",
    "params.yaml",
    "dvc.yaml",
    "dvc.lock",
    ".dvcignore",
)
ACTIVE = load_project(ROOT / "params.yaml").active
DATASET = ACTIVE.datasets[0]
MMOE = f"{DATASET}-mmoe"
RECIPE = f"conf/{DATASET}/{ACTIVE.recipe}.yaml"
STUDENT = {"train-student"}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's files in a repository of their own, with a dvc.lock that is up to date."""
    folder = tmp_path_factory.mktemp("reruns") / "project"
    folder.mkdir()
    for name in FILES:
        source = ROOT / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "_build", "*.egg-info")
            shutil.copytree(source, folder / name, ignore=ignore)
        elif source.exists():
            shutil.copy(source, folder / name)
    shutil.copytree(ROOT / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    relock(folder)
    return folder


@pytest.fixture
def project(copy: Path, tmp_path: Path) -> Path:
    shutil.copytree(copy, tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture(scope="module")
def downstream(copy: Path) -> Callable[[set[str]], set[str]]:
    """Stages that read the results of others, directly or through others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy)
        found = ask_plan([]).downstream

    def follow(stages: set[str]) -> set[str]:
        return stages.union(*(found[stage] for stage in stages))

    return follow


def append(path: Path, text: str = "\n# A comment.\n") -> None:
    path.write_text(path.read_text() + text)


def change(path: Path, *keys: str) -> None:
    """Change a number among the settings of a YAML file."""
    tree = yaml.safe_load(path.read_text())
    section = tree
    for key in keys[:-1]:
        section = section[key]
    section[keys[-1]] = section.get(keys[-1], 0) + 1
    path.write_text(yaml.safe_dump(tree))


def kinds(stages: set[str]) -> set[str]:
    return {stage.partition("@")[0] for stage in stages}


def test_nothing_has_changed(copy: Path) -> None:
    assert changed_stages(copy) == set()


def test_a_models_file_reruns_its_training_the_evaluations_and_the_report(
    project: Path, downstream: Callable[[set[str]], set[str]]
) -> None:
    append(project / "src/emm/models/mmoe.py")
    changed = changed_stages(project)
    assert {stage for stage in changed if not stage.startswith("evaluate@")} == {
        f"train@{MMOE}",
        f"train-student@{DATASET}-student",  # its network may be any
    }
    assert f"evaluate@{MMOE}" in changed
    assert kinds(downstream(changed)) == {"train", "train-student", "evaluate", "report"}


def test_a_models_section_reruns_its_training_its_evaluation_and_the_report(
    project: Path, downstream: Callable[[set[str]], set[str]]
) -> None:
    change(project / RECIPE, "train", "mmoe", "experts")
    changed = changed_stages(project)
    assert changed == {f"train@{MMOE}"}
    assert downstream(changed) == {f"train@{MMOE}", f"evaluate@{MMOE}", f"report@{DATASET}"}


def test_the_section_of_a_single_task_network_reruns_what_is_fused_from_it(
    project: Path, downstream: Callable[[set[str]], set[str]]
) -> None:
    change(project / RECIPE, "pretrain", "tm-1", "learning_rate")
    changed = changed_stages(project)
    assert changed == {f"pretrain@{DATASET}-tm-1"}
    after = downstream(changed)
    assert kinds(after) == {*STUDENT, "pretrain", "decompose", "train-emm", "evaluate", "report"}
    assert f"evaluate@{MMOE}" not in after


def test_a_student_reruns_its_evaluation_and_only_its_teacher_reruns_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def activate(tree: Tree) -> None:
        tree.update(
            students=["student", "small", "labels"], table=[*tree["table"], "small", "labels"]
        )

    section = {"network": "ple", "teacher": "emm", "soft_targets": 0.5}
    sections = {"small": section, "labels": {"network": "ple", "soft_targets": 0}}
    edit(project / "params.yaml", activate)
    edit(project / RECIPE, lambda tree: tree["train"].update(sections))
    fix_rows(project / "dvc.yaml", project / "params.yaml")
    monkeypatch.chdir(project)
    found, student = ask_plan([]).downstream, f"train-student@{DATASET}-small"
    assert {*found[student]} == {f"evaluate@{DATASET}-small", f"report@{DATASET}"}
    assert student in found[f"train-emm@{DATASET}-emm"]
    assert student not in found[f"train-emm@{DATASET}-emm_paper"]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("src/emm/report", {"report"}),
        ("src/emm/commands", set()),
        ("src/emm/tuning", set()),
        ("src/emm_dvc", set()),
        ("src/emm_dvc/repro", set()),
        ("docs", set()),
        ("src/fewshot", set()),
        ("src/emm/evaluation", {"evaluate"}),
        ("src/emm/fusion", {*STUDENT, "decompose", "train-emm", "evaluate"}),
        ("src/emm/automtl", {"evaluate"}),
        ("src/emm/trees", {*STUDENT, "train-trees", "decompose", "train-emm", "evaluate"}),
        ("src/emm/data/fetch", {"download"}),
        ("src/emm/data/custom", {"download", "preprocess", "check-data"}),
    ],
)
def test_a_comment_reruns_only_the_stages_of_its_room(
    project: Path, folder: str, expected: set[str]
) -> None:
    for file in (project / folder).iterdir():
        if file.suffix in (".py", ".md") and file.name != "space.py":
            append(file)
    assert kinds(changed_stages(project)) == expected


def test_a_setting_of_few_shot_images_reruns_nothing_else(project: Path) -> None:
    change(project / "conf/omniglot/data.yaml", "side")
    change(project / "conf/omniglot/tuned.yaml", ACTIVE.episodes[0], "seed")
    assert changed_stages(project) == set()
    tree = yaml.safe_load((project / "params.yaml").read_text())
    tree["images"] = ["omniglot"]
    (project / "params.yaml").write_text(yaml.safe_dump(tree))
    assert changed_stages(project) == set()


def test_the_settings_of_another_dataset_and_recipe_rerun_nothing(project: Path) -> None:
    others = [file for file in (project / "conf").rglob("*.yaml") if DATASET not in str(file)]
    for file in [*others, project / f"conf/{DATASET}/tuned.yaml"]:
        append(file, "more: 1\n")
    assert changed_stages(project) == set()


def test_the_settings_of_the_evaluation_rerun_no_training(project: Path) -> None:
    change(project / f"conf/{DATASET}/data.yaml", "evaluate", "calibration_bins")
    assert kinds(changed_stages(project)) == {"evaluate"}


def test_a_new_baseline_reruns_no_other_training(project: Path) -> None:
    models = project / "src/emm/models"
    shutil.copy(models / "mmoe.py", models / "mine.py")
    append(models / "__init__.py", '\nMODELS["mine"] = "emm.models.mine:MMoE"\n')
    recipe = project / RECIPE
    tree = yaml.safe_load(recipe.read_text())
    tree["train"]["mine"] = tree["train"]["mmoe"]
    recipe.write_text(yaml.safe_dump(tree))
    params = project / "params.yaml"
    active = yaml.safe_load(params.read_text())
    active["baselines"].append("mine")
    params.write_text(yaml.safe_dump(active))
    # The network of a student may be any.
    assert kinds(changed_stages(project)) == {*STUDENT, "evaluate"}
