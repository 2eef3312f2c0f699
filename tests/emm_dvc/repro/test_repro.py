"""`emm repro` on small real graphs, compared with `dvc repro`."""

from pathlib import Path

import pytest

from tests.emm_dvc.repro.small import EMM, LOGS, Repository, make_repository, stage

# "first" is planned before "second" and ends after it; neither can end unless both run at once.
MEETING = {
    "source": stage("source.txt"),
    "first": stage("first.txt", "source.txt", "+first", "-second-done"),
    "second": stage("second.txt", "source.txt", "-first", "+second-done"),
    "gather": stage("gathered.txt", "first.txt", "second.txt"),
}


def test_independent_stages_run_at_the_same_time_with_the_files_of_a_serial_run(
    tmp_path: Path,
) -> None:
    serial = make_repository(tmp_path / "serial", MEETING)
    for mark in ("first", "second-done"):
        serial.mark(mark)
    serial.serial()
    parallel = make_repository(tmp_path / "parallel", MEETING)
    output = parallel.emm("--jobs", "2")
    assert parallel.files() == serial.files()
    assert "4 stages: 4 done" in output
    assert parallel.logs() == set(MEETING)


def test_one_slot_runs_the_stages_in_series(tmp_path: Path) -> None:
    graph = {
        "slow": stage("slow.txt", "!other-is-done"),
        "other": stage("other.txt", "+other-is-done"),
    }
    repository = make_repository(tmp_path, graph)
    assert "2 stages: 2 done" in repository.emm("--jobs", "1")


def test_unchanged_stages_start_no_process(tmp_path: Path) -> None:
    repository = make_repository(tmp_path, {"a": stage("a.txt"), "b": stage("b.txt", "a.txt")})
    repository.serial()
    before = repository.files()
    assert "2 stages: 2 unchanged" in repository.emm()
    assert repository.logs() == set()
    assert repository.files() == before


def test_a_stage_that_writes_the_same_bytes_reruns_nothing_else(tmp_path: Path) -> None:
    rest = {name: stage(f"{name}.txt", "source.txt") for name in "abc"}
    gather = stage("gathered.txt", *(f"{name}.txt" for name in "abc"))
    repository = make_repository(
        tmp_path, {"source": stage("source.txt", "+one"), **rest, "gather": gather}
    )
    repository.serial()
    changed = {"source": stage("source.txt", "+two"), **rest, "gather": gather}
    repository.write(changed)
    assert "5 stages: 4 unchanged, 1 done" in repository.emm()
    assert repository.logs() == {"source"}


def test_results_in_the_cache_are_taken_from_there(tmp_path: Path) -> None:
    repository = make_repository(tmp_path, {"a": stage("a.txt"), "b": stage("b.txt", "a.txt")})
    repository.serial()
    before = repository.files()
    for name in ("a.txt", "b.txt", "dvc.lock"):
        (repository.root / name).unlink()
    assert "2 stages: 2 cached" in repository.emm()
    assert repository.files() == before


def make_failing(folder: Path) -> Repository:
    graph = {
        "bad": stage("bad.txt", "!fail"),
        "after-bad": stage("after-bad.txt", "bad.txt"),
        "good": stage("good.txt"),
        "after-good": stage("after-good.txt", "good.txt"),
        "both": stage("both.txt", "after-bad.txt", "after-good.txt"),
    }
    repository = make_repository(folder, graph)
    repository.mark("fail")
    return repository


@pytest.fixture
def failing(tmp_path: Path) -> Repository:
    return make_failing(tmp_path / "failing")


def test_a_failure_names_the_stage_and_its_log_and_starts_no_others(failing: Repository) -> None:
    output = failing.emm("--jobs", "1", check=False)
    assert "error: 1 of 5 stages failed, 4 were left out:" in output
    assert "- bad (exit status 1): .dvc/tmp/emm-repro/bad.log" in output
    assert "Traceback" not in output
    assert "asked to fail" in (failing.root / LOGS / "bad.log").read_text()
    assert failing.logs() == {"bad"}


def test_keep_going_runs_what_does_not_depend_on_the_failure(
    failing: Repository, tmp_path: Path
) -> None:
    serial = make_failing(tmp_path / "serial")
    serial.serial("--keep-going", check=False)
    found = failing.run(*EMM, "repro", "--keep-going", check=False)
    assert found.returncode == 1
    assert "1 of 5 stages failed, 2 were left out" in found.stderr
    assert failing.files() == serial.files()


def test_it_goes_on_where_a_failure_stopped_it(failing: Repository) -> None:
    failing.emm("--keep-going", check=False)
    (failing.marks / "fail").unlink()
    assert "5 stages: 2 unchanged, 3 done" in failing.emm()


def test_targets_of_several_files_and_the_stages_before_them(tmp_path: Path) -> None:
    study = {"cell": {**stage("study/cell.txt", "a.txt"), "wdir": ".."}}
    graph = {"a": stage("a.txt"), "b": stage("b.txt", "a.txt"), "c": stage("c.txt")}
    repositories = [make_repository(tmp_path / name, graph) for name in ("serial", "parallel")]
    for repository in repositories:
        repository.write(study, "study")
    serial, parallel = repositories
    serial.serial("study/dvc.yaml", "c")
    assert "3 stages: 3 done" in parallel.emm("study/dvc.yaml", "c")
    assert parallel.files() == serial.files()
    assert set(parallel.files()) >= {"dvc.lock", "study/dvc.lock", "a.txt", "c.txt"}


def test_a_frozen_stage_stays_as_it_is(tmp_path: Path) -> None:
    graph = {"a": stage("a.txt"), "b": stage("b.txt", "a.txt"), "c": stage("c.txt", "b.txt")}
    repositories = [make_repository(tmp_path / name, graph) for name in ("serial", "parallel")]
    changed = {"a": stage("a.txt", "work.py"), "b": {**graph["b"], "frozen": True}}
    changed["a"]["deps"] = ["work.py"]
    for repository in repositories:
        repository.serial()
        repository.write({**changed, "c": stage("c.txt", "b.txt", "+now")})
    serial, parallel = repositories
    serial.serial()
    assert "3 stages: 1 unchanged, 2 done" in parallel.emm()
    assert parallel.files() == serial.files()


def test_each_slot_sees_its_own_gpu(tmp_path: Path) -> None:
    graph = {
        "a": stage("a.txt", "+a", "-b"),
        "b": stage("b.txt", "+b", "-a"),
    }
    repository = make_repository(tmp_path, graph)
    repository.emm("--jobs", "2", "--gpus", "3,5")
    assert {(repository.marks / name).read_text() for name in "ab"} == {"3", "5"}


@pytest.mark.slow
def test_no_entry_of_the_lock_file_is_lost_in_many_rounds(tmp_path: Path) -> None:
    names = "abcdefgh"
    serial = make_repository(tmp_path / "serial", {})
    parallel = make_repository(tmp_path / "parallel", {})
    for number in range(2):
        graph = {name: stage(f"{name}.txt", f"+{number}") for name in names}
        graph["gather"] = stage("gathered.txt", *(f"{name}.txt" for name in names))
        for repository in (serial, parallel):
            repository.write(graph)
        serial.serial()
        parallel.emm("--jobs", "8")
        assert parallel.files() == serial.files()


def test_an_unknown_target_is_one_message(tmp_path: Path) -> None:
    repository = make_repository(tmp_path, {"a": stage("a.txt")})
    found = repository.run(*EMM, "repro", "z", check=False)
    assert found.returncode == 1
    assert found.stderr.startswith("error: DVC can't read the graph: ")
    assert "'z'" in found.stderr
    assert "Traceback" not in found.stderr
