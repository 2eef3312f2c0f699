"""`emm repro --dry` on small real graphs."""

import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from emm_dvc.repro.dry import dry_run
from tests.emm_dvc.repro.small import DVC, Repository, make_repository, stage

SIDE = ("python", "-m", "emm_dvc.repro.dvc_side", "forecast")
GRAPH = {
    "a": stage("a.txt"),
    "b": stage("b.txt", "a.txt"),
    "page": {**stage("page.md", "b.txt"), "outs": [{"page.md": {"cache": False}}]},
}


def forecasts(repository: Repository, *targets: str) -> dict[str, tuple[str, dict[str, list[str]]]]:
    """The verdict about each stage, and its reasons."""
    answer = json.loads(repository.run(*SIDE, *targets).stdout)
    return {each["stage"]: (each["verdict"], each["reasons"]) for each in answer}


def verdicts(repository: Repository, *targets: str) -> list[str]:
    return [verdict for verdict, _ in forecasts(repository, *targets).values()]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """All stages up to date."""
    made = make_repository(tmp_path, GRAPH)
    made.serial()
    return made


def remove(repository: Repository, *names: str) -> None:
    for name in names:
        path = repository.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_nothing_to_do(repository: Repository) -> None:
    before = repository.files()
    assert verdicts(repository) == ["unchanged"] * 3
    assert repository.files() == before


def test_a_stage_that_runs_and_those_that_may_follow(repository: Repository) -> None:
    repository.write({**GRAPH, "a": stage("a.txt", "+mark")})
    assert forecasts(repository) == {
        "a": ("runs", {"another command": []}),
        "b": ("may run", {"waits for": ["a"]}),
        "page": ("may run", {"waits for": ["b"]}),
    }
    assert verdicts(repository, "a") == ["runs"]


def test_an_earlier_result_is_in_the_run_cache(repository: Repository) -> None:
    repository.write({**GRAPH, "a": stage("a.txt", "+mark")})
    repository.serial()
    repository.write(GRAPH)
    assert forecasts(repository)["a"] == ("from the run-cache", {"another command": []})
    # The second run of "a" wrote the same bytes, so that nothing follows.
    assert verdicts(repository) == ["from the run-cache", "unchanged", "unchanged"]


def test_a_workspace_without_data_and_lock_beside_a_full_cache(repository: Repository) -> None:
    remove(repository, "a.txt", "b.txt", "dvc.lock")
    assert verdicts(repository, "b") == ["from the run-cache"] * 2
    assert forecasts(repository)["b"][1] == {"not in dvc.lock": []}
    assert repository.run(*DVC, "repro", "--dry", "b", check=False).returncode != 0
    repository.serial("b")
    assert verdicts(repository, "b") == ["unchanged"] * 2


def test_a_workspace_without_data_beside_a_full_cache(repository: Repository) -> None:
    remove(repository, "a.txt", "b.txt", "page.md")
    assert forecasts(repository) == {
        "a": ("from the cache", {"not as recorded": ["a.txt"]}),
        "b": ("from the cache", {"not as recorded": ["b.txt"]}),
        "page": ("runs", {"not as recorded": ["page.md"]}),
    }


def test_a_clone_without_any_data(repository: Repository) -> None:
    remove(repository, "a.txt", "b.txt", ".dvc/cache")
    assert forecasts(repository) == {
        "a": ("runs", {"not in the cache": ["a.txt"]}),
        "b": ("may run", {"waits for": ["a"]}),
        "page": ("may run", {"waits for": ["b"]}),
    }


def test_a_project_that_never_ran(tmp_path: Path) -> None:
    repository = make_repository(tmp_path, GRAPH)
    assert forecasts(repository)["a"] == ("runs", {"not in dvc.lock": []})
    assert forecasts(repository)["b"] == ("runs", {"not in dvc.lock": [], "waits for": ["a"]})


def test_changes_of_code_settings_deps_and_outs_are_named(tmp_path: Path) -> None:
    graph = {"a": {**stage("a.txt"), "params": ["x", "y"]}}
    repository = make_repository(tmp_path, graph)
    (repository.root / "params.yaml").write_text("{x: 1, y: 1}")
    repository.serial()
    (repository.root / "params.yaml").write_text("{x: 1, y: 2}")
    assert forecasts(repository)["a"] == ("runs", {"settings of params.yaml": ["y"]})
    (repository.root / "work.py").write_text("pass")
    (repository.root / "more.py").write_text("pass")
    repository.write({"a": {**graph["a"], "deps": ["work.py", "more.py"], "outs": ["b.txt"]}})
    assert forecasts(repository)["a"][1] == {
        "no longer outs": ["a.txt"],
        "changed": ["work.py"],
        "new deps": ["more.py"],
        "settings of params.yaml": ["y"],
    }


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    graph = {
        "a": stage("a.txt", "none.txt"),
        "b": {**stage("b.txt", "a.txt"), "params": ["x", {"other.yaml": ["y"]}]},
    }
    repository = make_repository(tmp_path, graph)
    (repository.root / "params.yaml").write_text("{z: 1}")
    assert forecasts(repository) == {
        "a": ("fails", {"missing": ["none.txt, which no stage writes"]}),
        "b": ("fails", {"missing": ["x in params.yaml", "other.yaml"]}),
    }


def test_a_dep_inside_of_an_out_and_a_folder_around_outs(tmp_path: Path) -> None:
    graph = {
        "folder": {"cmd": "mkdir -p d/e && echo 1 > d/e/f", "deps": ["work.py"], "outs": ["d/e"]},
        "inside": stage("in.txt", "d/e/f"),
        "around": {"cmd": "cat d/e/f > out.txt", "deps": ["d"], "outs": ["out.txt"]},
    }
    repository = make_repository(tmp_path, graph)
    assert verdicts(repository) == ["runs"] * 3
    repository.serial()
    assert verdicts(repository) == ["unchanged"] * 3
    remove(repository, "d")
    assert verdicts(repository) == ["from the cache", "unchanged", "unchanged"]


def test_the_table(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in repository.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(repository.root)
    repository.write({**GRAPH, "a": stage("a.txt", "+mark")})
    console = Console(width=100, record=True, file=None)
    with console.capture() as captured:
        console.print(dry_run())
    lines = [line.split() for line in captured.get().splitlines()]
    assert lines == [
        ["3", "stages:", "1", "runs,", "2", "may", "run"],
        ["stage", "what", "why"],
        ["a", "runs", "another", "command"],
        ["b", "may", "run", "waits", "for:", "a"],
        ["page", "may", "run", "waits", "for:", "b"],
    ]
