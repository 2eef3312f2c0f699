"""Branches of the real pipeline: merges, comparisons and DVC experiments."""

import json
from pathlib import Path

import pytest
import yaml

from tests.configuration import CENSUS, ROOT, Change
from tests.pipeline.workspace import PAPER, Workspace

pytestmark = pytest.mark.slow

METRICS = f"metrics/{CENSUS}/paper"
PLOTS = f"plots/{CENSUS}/paper"


@pytest.fixture
def shared(done: Workspace) -> Workspace:
    """A repository after its first run and `make drivers`, with its results in README.md."""
    done.run("make", "drivers")
    done.run("emm", "readme")
    done.run("git", "commit", "--quiet", "--all", "--message=results in the README")
    return done


def train(model: str, **changes: object) -> Change:
    return lambda tree: tree["train"][model].update(changes)


def branch(workspace: Workspace, name: str, change: Change) -> None:
    """Create a branch from main with a change of the recipe and the results of it."""
    workspace.run("git", "switch", "--quiet", "--create", name, "main")
    workspace.run("dvc", "checkout", "--quiet")
    workspace.change(PAPER, change)
    workspace.repro()
    workspace.run("emm", "readme")
    workspace.run("git", "commit", "--quiet", "--all", f"--message={name}")


def content(workspace: Workspace, revision: str, path: str) -> str:
    return workspace.run("git", "show", f"{revision}:{path}").stdout


def test_merged_branches_with_different_models_only_rerun_the_report(
    shared: Workspace,
) -> None:
    branch(shared, "experts", train("mmoe", experts=3))
    branch(shared, "rate", train("emm", learning_rate=0.002))
    merged = shared.run("git", "merge", "experts", "--message=both")
    assert f"left out because both sides changed them: report@{CENSUS}\n" in merged.stderr
    assert shared.repro() == {f"report@{CENSUS}"}
    shared.run("emm", "readme")
    for model, origin in (("mmoe", "experts"), ("emm", "rate"), ("ple", "main")):
        for path in (f"{METRICS}/{model}.json", f"{PLOTS}/{model}.csv"):
            assert (shared.root / path).read_text() == content(shared, origin, path)
    report = (shared.root / f"reports/{CENSUS}.md").read_text()
    readme = (shared.root / "README.md").read_text()
    for model, origin in (("mmoe", "experts"), ("emm", "rate")):
        found = json.loads(content(shared, origin, f"{METRICS}/{model}.json"))
        assert f"{found['income']['auc']:.5f}" in report
        assert f"{found['income']['auc']:.5f}" in readme
    assert shared.repro() == set()
    assert shared.run("dvc", "status", "--quiet", check=False).returncode == 0


def test_model_changed_on_both_branches_comes_from_the_run_cache(shared: Workspace) -> None:
    branch(shared, "three", train("mmoe", experts=3))
    branch(shared, "two", train("mmoe", experts=2))
    found = shared.run("git", "merge", "three", check=False)
    assert found.returncode == 1
    assert found.stdout.count("CONFLICT") == 1
    assert f"Merge conflict in {PAPER}" in found.stdout
    shared.run("git", "checkout", "--theirs", PAPER)
    assert shared.repro() == {f"report@{CENSUS}"}
    path = f"{METRICS}/mmoe.json"
    assert (shared.root / path).read_text() == content(shared, "three", path)


def test_experiment_runs_only_the_affected_stages(done: Workspace) -> None:
    value = f"{PAPER}:train.emm.learning_rate=0.003"
    ran = done.run("dvc", "exp", "run", "--name", "faster", "--set-param", value).stdout
    assert ran.count("Running stage") == 3
    tree = yaml.safe_load((done.root / PAPER).read_text())
    assert tree["train"]["emm"]["learning_rate"] == 0.003
    shown = done.run("dvc", "exp", "diff", "HEAD", "faster", "--md").stdout
    assert f"{METRICS}/emm.json" in shown
    assert "train.emm.learning_rate" in shown


def test_changes_of_a_branch_are_shown_as_tables_and_curves(shared: Workspace) -> None:
    branch(shared, "rate", train("emm", learning_rate=0.002))
    metrics = shared.run("dvc", "metrics", "diff", "main", "--md").stdout
    assert "| Path" in metrics
    assert {line.split()[1] for line in metrics.splitlines()[2:] if line} == {f"{METRICS}/emm.json"}
    params = shared.run("dvc", "params", "diff", "main", "--md").stdout
    assert f"| {PAPER} | train.emm.learning_rate | 0.001  | 0.002" in params
    plots = json.loads(shared.run("dvc", "plots", "diff", "main", "--json").stdout)
    assert plots.keys() == {"data"}
    names = {path.relative_to(shared.root).as_posix() for path in shared.root.glob(f"{PLOTS}/*")}
    assert plots["data"].keys() == names
    assert f"{PLOTS}/emm.csv" in names
    (drawn,) = plots["data"][f"{PLOTS}/emm.csv"]
    spec = drawn["content"] if isinstance(drawn["content"], dict) else json.loads(drawn["content"])
    points = spec["data"]["values"]
    assert {point["rev"] for point in points} == {"workspace", "main"}
    assert {point["task"] for point in points} == {"income", "never-married"}
    assert spec["encoding"]["y"]["field"] == "score"


def test_merge_drivers_are_registered_only_in_a_git_repository(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    folder = Workspace(tmp_path)
    assert folder.run("make", "drivers").stderr == ""
    folder.run("git", "init", "--quiet")
    folder.run("make", "drivers")
    driver = folder.run("git", "config", "merge.dvc-lock.driver").stdout
    assert driver == 'PATH=".venv/bin:$PATH" emm merge-lock %O %A %B %P\n'
