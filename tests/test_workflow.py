"""The workflow for GitHub: what it may do, and its check that results are committed."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.remotes.project import Project, make_project
from tests.remotes.stores import HOST_KEY_SETTING

ROOT = Path(__file__).parents[1]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/results.yaml").read_text(encoding="utf-8"))
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
STEPS = [step for job in JOBS.values() for step in job["steps"]]


def lines_of(name: str) -> str:
    """The shell lines of a step."""
    return next(str(step["run"]) for step in STEPS if step.get("name") == name)


def run(project: Project, name: str, **environment: str) -> tuple[int, str]:
    """Run a step's lines as GitHub runs them."""
    shell = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", lines_of(name))
    found = Project(project.root, {**project.environment, **environment})
    return found.attempt(*shell)


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A fresh clone of a project whose results are committed; not to be changed."""
    folder = tmp_path_factory.mktemp("committed")
    return make_project(folder / "worker").clone(folder / "clone")


def test_the_check_passes_where_results_are_committed(committed: Project, tmp_path: Path) -> None:
    code, output = run(committed, "Results are committed", RUNNER_TEMP=str(tmp_path))
    assert (code, "::error::" in output) == (0, False), output


def test_the_check_fails_after_a_change_without_a_run(committed: Project, tmp_path: Path) -> None:
    clone = committed.copy(tmp_path / "clone")
    clone.change("first", 0.9)
    code, output = run(clone, "Results are committed", RUNNER_TEMP=str(tmp_path))
    assert code == 1
    assert "'train@first'" in output
    assert "next: dvc repro" in output


def test_the_check_fails_where_the_data_of_a_changed_stage_is_here(
    committed: Project, tmp_path: Path
) -> None:
    worker = Project(committed.root.parent / "worker", committed.environment).copy(tmp_path / "it")
    worker.change("second", 0.9)
    code, output = run(worker, "Results are committed", RUNNER_TEMP=str(tmp_path))
    assert code == 1
    assert "Running stage 'train@second'" in output


def test_the_check_fails_where_dvc_does(committed: Project, tmp_path: Path) -> None:
    clone = committed.copy(tmp_path / "clone")
    (clone.root / "dvc.yaml").write_text("stages: [\n")
    code, output = run(clone, "Results are committed", RUNNER_TEMP=str(tmp_path))
    assert code == 1
    assert "dvc.yaml" in output


def test_the_comment_has_the_changed_parameter(committed: Project, tmp_path: Path) -> None:
    clone = committed.copy(tmp_path / "clone")
    clone.change("first", 0.9)
    outputs = tmp_path / "outputs"
    code, output = run(clone, "Differences", BASE="origin/main", GITHUB_OUTPUT=str(outputs))
    assert code == 0, output
    start, *table, end = outputs.read_text().splitlines()
    assert (start, end) == ("table<<END-OF-TABLE", "END-OF-TABLE")
    assert any(re.match(r"\| params.json +\| first +\| 0.1 +\| 0.9", line) for line in table)


@pytest.mark.parametrize("secret", ["", "[cache]\n    dir = elsewhere"])
def test_secrets_are_for_this_user_alone_and_hosts_are_checked(
    committed: Project, tmp_path: Path, secret: str
) -> None:
    clone = committed.copy(tmp_path / "clone")
    given = {"DVC_CONFIG_LOCAL": secret, "SSH_KEY": secret, "SSH_KNOWN_HOSTS": ""}
    code, output = run(clone, "Open the remote", HOME=str(tmp_path), **given)
    assert code == 0, output
    files = (clone.root / ".dvc/config.local", tmp_path / ".ssh/results")
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600, 0o600]
    assert ("/elsewhere" in clone.run("dvc", "config", "--list")) == bool(secret)
    setting = (tmp_path / HOST_KEY_SETTING).read_text().strip()
    assert f"echo '{setting}' > ~/{HOST_KEY_SETTING}" in (ROOT / "docs/sharing.md").read_text()


def test_no_job_may_write_but_the_one_that_runs_nothing_of_the_branch() -> None:
    assert WORKFLOW["permissions"] == {}
    writing = {name for name, job in JOBS.items() if "write" in job["permissions"].values()}
    assert writing == {"comment"}
    assert [step for step in JOBS["comment"]["steps"] if "uses" in step] == []
    assert "pull_request_target" not in WORKFLOW[True]  # YAML 1.1 reads the key `on` so


def test_actions_are_githubs_own_at_an_exact_version() -> None:
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert used
    assert [each for each in used if not re.fullmatch(r"actions/[\w-]+@v\d+\.\d+\.\d+", each)] == []


def test_shell_lines_take_what_github_gives_through_the_environment_alone() -> None:
    assert [step["run"] for step in STEPS if "${{" in step.get("run", "")] == []
    secrets = [step for step in STEPS if "secrets." in str(step)]
    assert [step["name"] for step in secrets] == ["Open the remote"]
    assert os.linesep + "umask 077" in os.linesep + secrets[0]["run"]
