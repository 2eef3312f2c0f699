"""The command line `emm`, run as a person would."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAIN = "from emm.commands.cli import main; main()"


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", MAIN, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("params.yaml", "dvc.yaml", "tuning.yaml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "metrics", tmp_path / "metrics")
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
    assert (found.returncode, found.stderr) == (0, "params.yaml and dvc.yaml are in order\n")


def test_check_notes_sections_that_an_experiment_could_not_change_alone(project: Path) -> None:
    edit(project / "params.yaml", "datasets: [census-income]", "datasets: [census-income, shop]")
    params = project / "params.yaml"
    block = (
        "shop:\n  <<: *census-income\n  dataset: census-income\n  evaluate: {calibration_bins: 9}\n"
    )
    params.write_text(params.read_text() + "\n" + block)
    found = run(project, "check")
    assert found.returncode == 0
    notes = [line for line in found.stderr.splitlines() if line.startswith("note: ")]
    assert len(notes) == 2  # one for each of both blocks
    assert "shop.paper" in notes[1]
    assert not any("evaluate" in note for note in notes)


def test_check_names_every_fault_of_the_models_sections(project: Path) -> None:
    edit(project / "params.yaml", "experts: 12", "experts: 0")
    edit(project / "params.yaml", "max_leaf_nodes", "max_leaves")
    found = run(project, "check")
    assert found.returncode == 2
    assert "mmoe.experts: got 0" in found.stderr
    assert "gbdt.max_leaves: unknown key; did you mean 'max_leaf_nodes'?" in found.stderr
    assert "Traceback" not in found.stderr


def test_check_names_a_row_that_dvc_yaml_does_not_wait_for(project: Path) -> None:
    edit(project / "dvc.yaml", "        - data/evaluation/${item}/${recipe}/ple\n", "")
    found = run(project, "check")
    assert found.returncode == 2
    assert "report lacks the dep data/evaluation/${item}/${recipe}/ple" in found.stderr


def test_results_prints_the_table_of_the_readme(project: Path) -> None:
    found = run(project, "results")
    assert found.returncode == 0
    assert found.stdout.strip() in (ROOT / "README.md").read_text()


def test_readme_puts_the_table_back(project: Path) -> None:
    before = (project / "README.md").read_text()
    edit(project / "README.md", "| GBDT         |", "| another      |")
    assert run(project, "readme").returncode == 0
    assert (project / "README.md").read_text() == before


def test_a_model_that_is_not_there(project: Path) -> None:
    found = run(project, "show", "nowhere")
    assert found.returncode == 1
    assert found.stderr.startswith("error: the stored model nowhere can't be read")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("census", "tm-1"), "no dataset is called 'census'"),
        (("census-income", "tm-11"), "no model is called 'tm-11'"),
        (("census-income", "tm-1", "--recipe", "best"), "recipe: got 'best'"),
    ],
)
def test_a_search_that_cannot_begin(project: Path, words: tuple[str, ...], message: str) -> None:
    found = run(project, "search", *words)
    assert found.returncode == 2
    assert message in found.stderr
    assert "Traceback" not in found.stderr
    assert not (project / "tuning").exists()


def test_debug_shows_the_traceback(project: Path) -> None:
    assert "Traceback" in run(project, "show", "nowhere", "--debug").stderr
