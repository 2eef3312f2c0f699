import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.core.paths import Paths
from emm.training.checkpoint import Checkpoint, checkpoints
from tests.training.interrupted import ORIGIN

TENSORS = {
    "weights": torch.arange(6.0).reshape(2, 3),
    "step": torch.tensor(3.0),
    "none": torch.zeros(0, 2),
    "mask": torch.tensor([True, False]),
    "half": torch.ones(3, dtype=torch.bfloat16),
}
ABOUT = {"rate": 0.1 + 0.2, "groups": [{"fused": True, "params": [0, 1]}], "best": None}


def place(folder: Path, **changes: str) -> Checkpoint:
    return Checkpoint("run", folder, ORIGIN | changes)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    place(tmp_path).write(TENSORS, ABOUT)
    tensors, about = place(tmp_path).read()
    assert about == ABOUT
    assert all(torch.equal(tensors.pop(name), value) for name, value in TENSORS.items())
    assert not tensors


def test_each_run_has_its_own_checkpoint(tmp_path: Path) -> None:
    stage = Checkpoint("", tmp_path, ORIGIN)
    runs = [stage.of("a", "b+c"), stage.of("a+b", "c"), stage.of("a", "../b"), stage.of("a/b")]
    for number, run in enumerate(runs):
        run.write({}, number)
    assert [run.read() for run in runs] == [({}, number) for number in range(4)]
    assert len(list(tmp_path.iterdir())) == 4


def test_without_a_folder_nothing_is_saved() -> None:
    nowhere = Checkpoint()
    nowhere.write(TENSORS, ABOUT)
    assert nowhere.read() is None
    assert not nowhere.due


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("whole")
    place(folder).write(TENSORS, ABOUT)
    return (folder / "run.safetensors").read_bytes()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_flipped_bit_is_noticed(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(whole) * 8 - 1))
    content = bytearray(whole)
    content[at // 8] ^= 1 << at % 8
    folder = tmp_path_factory.mktemp("flipped")
    (folder / "run.safetensors").write_bytes(content)
    found = place(folder).read()
    # Only the spaces that pad the header have no meaning.
    assert found is None or found[1] == ABOUT


@pytest.mark.parametrize("kept", [0, 1, 8, 100, -1])
def test_a_truncated_file_is_ignored_with_a_message(
    tmp_path: Path, whole: bytes, capsys: pytest.CaptureFixture[str], kept: int
) -> None:
    (tmp_path / "run.safetensors").write_bytes(whole[:kept])
    assert place(tmp_path).read() is None
    assert "the checkpoint of run is ignored: it is damaged" in capsys.readouterr().err


@contextmanager
def cramped() -> Iterator[None]:
    """Limit the size of files to a few bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_with_a_full_disk_training_continues_and_the_previous_checkpoint_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place(tmp_path).write(TENSORS, 1)
    with cramped():
        place(tmp_path).write(TENSORS, 2)
    assert place(tmp_path).read()[1] == 1
    assert "training continues without a checkpoint" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["run.safetensors"]


def test_training_continues_if_the_folder_cannot_be_created(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    place(tmp_path / "file").write(TENSORS, ABOUT)
    assert "training continues without a checkpoint" in capsys.readouterr().err


def test_writing_takes_at_most_its_share_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 0.0, 5.0, 254.0, 256.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    own = place(tmp_path)
    own.write({}, None)  # from 0 to 5 s: a fiftieth of the next 250 s
    assert [own.due, own.due] == [False, True]


OUT = "data/models/tiny/paper/mmoe"


def kept(root: Path) -> list[str]:
    return [path.name for path in (root / ".emm/checkpoints" / OUT).rglob("*")]


def stage(root: Path, *, fails: bool = False, **changes: str) -> object:
    """A stage that saves one run; returns what was saved before."""
    paths = Paths("tiny", "paper", root)
    with checkpoints(paths, paths.model("mmoe"), ORIGIN | changes) as own:
        found = own.of("run").read()
        own.of("run").write({}, "state")
        if fails:
            raise KeyboardInterrupt
    return found and found[1]


def interrupted(root: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        stage(root, fails=True)


def test_checkpoints_stay_after_an_interruption_and_are_removed_at_the_end(tmp_path: Path) -> None:
    assert kept(tmp_path) == []
    interrupted(tmp_path)
    assert kept(tmp_path) == ["run.safetensors"]
    assert stage(tmp_path) == "state"
    assert kept(tmp_path) == []


def test_checkpoints_with_another_fingerprint_are_removed_with_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted(tmp_path)
    assert stage(tmp_path, data="x", code="y") is None
    message = capsys.readouterr().err
    assert f"{OUT} are removed: other code and other data" in message


def test_a_damaged_checkpoint_is_removed_with_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted(tmp_path)
    file = tmp_path / ".emm/checkpoints" / OUT / "run.safetensors"
    file.write_bytes(file.read_bytes()[:20])
    assert stage(tmp_path) is None
    assert "are removed: damaged" in capsys.readouterr().err


def test_checkpoints_stay_for_a_process_that_waits_for_the_stage(tmp_path: Path) -> None:
    paths = Paths("tiny", "paper", tmp_path)
    mark = paths.lock(paths.model("mmoe")).with_name("mmoe.lock.awaited")
    mark.parent.mkdir(parents=True)
    mark.touch()
    stage(tmp_path)
    mark.unlink()
    assert stage(tmp_path) == "state"
    assert kept(tmp_path) == []


def test_folders_are_saved_file_by_file(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "deep" / "target"
    source.mkdir()
    (source / "a.json").write_text(json.dumps(ABOUT))
    (source / "empty").touch()
    own = place(tmp_path / "kept")
    assert not own.read_folder(target)
    own.write_folder(source)
    assert own.read_folder(target)
    assert {file.name: file.read_bytes() for file in target.iterdir()} == {
        file.name: file.read_bytes() for file in source.iterdir()
    }
