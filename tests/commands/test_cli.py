"""The command line `emm`, run as a user runs it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.committed import copy_committed
from tests.configuration import ROOT, copy_conf

MAIN = "from emm.commands.cli import main; main()"


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", MAIN, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    copy_conf(tmp_path)
    for name in ("dvc.yaml", "tuning.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    copy_committed(tmp_path, "README.md", "metrics")
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom emm.commands.cli import main\n"
        "try:\n    main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'polars', 'sklearn', 'matplotlib', 'dvc'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or None)"
    )
    found = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")
    assert "check" in found.stdout


def test_check_passes_on_the_projects_own_files(project: Path) -> None:
    found = run(project, "check")
    assert (found.returncode, found.stderr) == (0, "params.yaml, conf/ and dvc.yaml are in order\n")


def test_check_reports_every_fault_of_the_models_sections(project: Path) -> None:
    paper = project / "conf/census-income/paper.yaml"
    edit(paper, "experts: 12", "experts: 0")
    edit(paper, "max_leaf_nodes", "max_leaves")
    found = run(project, "check")
    assert found.returncode == 2
    assert "train.mmoe.experts: got 0" in found.stderr
    assert "train.gbdt.max_leaves: unknown key; did you mean 'max_leaf_nodes'?" in found.stderr
    assert "conf/census-income/paper.yaml" in found.stderr
    assert found.stderr.count("error: ") == 1
    assert "Traceback" not in found.stderr


def test_check_reports_a_key_that_a_stage_depends_on_and_conf_lacks(project: Path) -> None:
    edit(project / "conf/census-income/paper.yaml", "\n  folds: 5 ", "\n# folds: 5 ")
    found = run(project, "check")
    assert found.returncode == 2
    assert "conf/census-income/paper.yaml lacks the key fusion.folds" in found.stderr
    assert "next: emm check --fix" in found.stderr
    found = run(project, "check", "--fix")
    assert found.stderr.splitlines()[0] == "conf/census-income/paper.yaml: + fusion.folds"
    assert "in order" in found.stderr


def test_check_reports_a_row_that_dvc_yaml_does_not_wait_for_and_fixes_it(project: Path) -> None:
    before = (project / "dvc.yaml").read_text()
    row = "data/evaluation/${item}/${recipe}/ple"
    edit(project / "dvc.yaml", f"        - {row}\n", "")
    found = run(project, "check")
    assert found.returncode == 2
    assert f"report: + {row}" in found.stderr
    assert "next: emm check --fix" in found.stderr
    assert f"dvc.yaml: report: + {row}" in run(project, "check", "--fix").stderr
    assert (project / "dvc.yaml").read_text() == before


def test_results_prints_the_table_of_the_readme(project: Path) -> None:
    edit(project / "params.yaml", "recipe: paper ", "recipe: default ")
    found = run(project, "results")
    assert found.returncode == 0
    assert found.stdout.strip() in (project / "README.md").read_text()


def test_readme_restores_the_table(project: Path) -> None:
    edit(project / "params.yaml", "recipe: paper ", "recipe: default ")
    before = (project / "README.md").read_text()
    edit(project / "README.md", "| GBDT         |", "| another      |")
    assert run(project, "readme").returncode == 0
    assert (project / "README.md").read_text() == before


def test_a_missing_model_is_an_error(project: Path) -> None:
    found = run(project, "show", "nowhere")
    assert found.returncode == 1
    assert found.stderr.startswith("error: the stored model nowhere can't be read")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("census", "tm-1"), "no dataset is called 'census'"),
        (("census-income", "tm-11"), "no model is called 'tm-11'"),
        (("census-income", "tm-1", "--recipe", "best"), "no recipe is called 'best'"),
    ],
)
def test_a_tuning_that_cannot_start_is_an_error(
    project: Path, words: tuple[str, ...], message: str
) -> None:
    found = run(project, "tune", *words)
    assert found.returncode == 2
    assert message in found.stderr
    assert "Traceback" not in found.stderr
    assert not (project / "tuning").exists()


def test_debug_shows_the_traceback(project: Path) -> None:
    assert "Traceback" in run(project, "show", "nowhere", "--debug").stderr


def test_the_pool_is_listed(project: Path) -> None:
    found = run(project, "pool", "list")
    assert (found.returncode, found.stderr) == (0, "")
    assert "census-income, recipe paper" in found.stdout


def test_a_model_that_is_not_there_says_how_to_export_it(project: Path) -> None:
    words = ("pool/risk.onnx", "--dataset", "census-income", "--task", "income")
    found = run(project, "pool", "add", *words)
    assert found.returncode == 2
    assert "there is no file pool/risk.onnx" in found.stderr
    assert "next: export the model into pool/: pool/README.md" in found.stderr
