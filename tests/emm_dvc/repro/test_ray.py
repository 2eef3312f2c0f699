"""`emm repro --engine ray` on a cluster of two nodes on this machine, one CPU each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emm_dvc.repro.small import (
    DVC,
    EMM,
    LOGS,
    PATIENCE,
    Repository,
    alive,
    eventually,
    make_repository,
    stage,
)
from tests.ray_nodes import two_nodes

pytest.importorskip("ray", reason="the extra ray isn't installed")

# Two tasks that wait for each other need two nodes. What is kept in git runs on the driver.
GRAPH = {
    "source": stage("source.txt"),
    "first": stage("first.txt", "source.txt", "+first", "-second"),
    "second": stage("second.txt", "source.txt", "+second", "-first", "!fail"),
    "gather": stage("gathered.txt", "first.txt", "second.txt"),
    "page": {
        **stage("page.md", "gathered.txt"),
        "outs": [{"page.md": {"cache": False}}],
    },
}


@pytest.fixture(scope="module")
def marks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The nodes' environment is that in which they were started."""
    return tmp_path_factory.mktemp("marks")


@pytest.fixture(scope="module")
def cluster(marks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("nodes")
    variables = Repository(folder, marks, {"XDG_CACHE_HOME": str(folder)}).variables()
    with two_nodes(folder, variables) as address:
        yield address


@pytest.fixture
def repository(cluster: str, marks: Path, tmp_path: Path) -> Repository:
    for mark in marks.iterdir():
        mark.unlink()
    made = make_repository(tmp_path, GRAPH, RAY_ADDRESS=cluster)
    (tmp_path / "remote").mkdir()
    made.run(*DVC, "remote", "add", "--default", "--quiet", "store", str(tmp_path / "remote"))
    commit(made)
    return Repository(made.root, marks, made.environment)


def commit(repository: Repository) -> None:
    who = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"]
    repository.run("git", "add", "--all")
    repository.run("git", *who, "commit", "--quiet", "--message=a commit")


def test_the_files_are_those_of_a_serial_run(repository: Repository, tmp_path: Path) -> None:
    serial = make_repository(tmp_path / "serial", GRAPH)
    for mark in ("first", "second"):
        serial.mark(mark)
    serial.serial()
    output = repository.emm("--engine", "ray")
    assert repository.files() == serial.files()
    assert "5 stages: 4 cached, 1 done" in output
    assert {path.stem for path in repository.marks.glob("*.pid")} == {
        "source.txt",
        "first.txt",
        "second.txt",
        "gathered.txt",
        "page.md",
    }
    assert "5 stages: 5 unchanged" in repository.emm("--engine", "ray")


def test_a_failure_on_a_node_has_its_log_here(repository: Repository) -> None:
    repository.mark("fail")
    found = repository.run(*EMM, "repro", "--engine", "ray", check=False)
    assert found.returncode == 1
    assert "- second (on the cluster): .dvc/tmp/emm-repro/second.log" in found.stderr
    assert "asked to fail" in (repository.root / LOGS / "second.log").read_text()
    assert (repository.root / "first.txt").exists()


def test_ctrl_c_ends_the_tasks_on_their_nodes(repository: Repository) -> None:
    graph = {name: stage(f"{name}.txt", f"+{name}", "-never") for name in ("one", "two")}
    repository.write(graph)
    commit(repository)
    with repository.started(*EMM, "repro", "--engine", "ray") as process:
        for mark in graph:
            repository.wait_for(mark)
        workers = [int((repository.marks / f"{name}.txt.pid").read_text()) for name in graph]
        assert all(alive(one) for one in workers)
        process.terminate()
        _, output = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "stopped stages:\n  - one: " in output
    eventually(lambda: not any(alive(one) for one in workers))


def test_files_that_differ_from_the_commit_are_named(repository: Repository) -> None:
    (repository.root / "work.py").write_text("other code")
    output = repository.emm("--engine", "ray", check=False)
    assert (
        "error: a cluster runs the stages of a commit, and these files differ from it: work.py"
        in (output)
    )


def test_without_a_cluster_the_error_says_how_to_start_one(repository: Repository) -> None:
    lost = Repository(repository.root, repository.marks, {"RAY_ADDRESS": "127.0.0.1:1"})
    output = lost.emm("--engine", "ray", check=False)
    assert "error: no Ray cluster answers" in output
    assert "next: ray start --head, or set RAY_ADDRESS" in output
    assert "Traceback" not in output
