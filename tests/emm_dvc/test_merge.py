"""dvc.lock and README.md of two branches, and what DVC itself would have written."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml, parse_yaml_for_update
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.report.readme import END, START
from emm_dvc.merge import MergeError, merge_lock_files, merge_locks, merge_readmes, read_lock

ROOT = Path(__file__).parents[2]
LOCKS = [ROOT / "dvc.lock", ROOT / "study/dvc.lock"]
Stages = dict[str, Any]

NAMES = ("download@a", "train@a-emm", "train@b-emm", "report@a", "a_b")
COMMANDS = ("python x.py", ["python x.py " + "--long " * 30, "true"], "a: 'b' # c\nd")
PARAMS = ({}, {"params.yaml": {"a.b": None, "c": [1, [2.5, "x"]], "d": {"e": 1e-06}}})


def entry(command: Any, params: Mapping[str, Any], number: int) -> dict[str, Any]:
    out = {"path": f"data/{number}", "hash": "md5", "md5": f"{number:032x}", "size": number}
    return {
        "cmd": deepcopy(command),
        **({"params": deepcopy(params)} if params else {}),
        "outs": [out],
    }


ENTRIES = st.builds(entry, st.sampled_from(COMMANDS), st.sampled_from(PARAMS), st.integers(0, 1))
SIDES = st.dictionaries(st.sampled_from(NAMES), ENTRIES)


def dumped(stages: Stages) -> str:
    """The file as DVC writes it, which reads what is there, changes it and writes it again."""
    text: str = dumps_yaml({"schema": "2.0", "stages": stages})
    again: str = dumps_yaml(parse_yaml_for_update(text, "dvc.lock"))
    assert again == text
    return text


GOOD = dumped({"a": entry("x", {}, 1)})


def write(folder: Path, *contents: str) -> list[Path]:
    paths = [folder / name for name in ("base", "ours", "theirs")]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(content)
    return paths


def plainly(base: Stages, ours: Stages, theirs: Stages) -> tuple[Stages, set[str]]:
    """The rule on parsed files: a change of one side counts, and two changes must agree."""
    merged, dropped = {}, set()
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        sides = [side.get(name) for side in (ours, theirs)]
        changed = [side for side in sides if side != base.get(name)]
        if len(changed) == 2 and changed[0] != changed[1]:
            dropped.add(name)
        elif (found := changed[0] if changed else base.get(name)) is not None:
            merged[name] = found
    return merged, dropped


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.parent.name)
def test_the_pieces_of_a_lock_make_up_the_file(path: Path) -> None:
    lock = read_lock(path)
    assert lock.text() == path.read_text()
    assert len(lock.stages) > 20


@settings(deadline=None, max_examples=30)
@given(SIDES, SIDES, SIDES)
def test_the_merge_is_what_dvc_writes_for_the_merged_stages(
    tmp_path_factory: pytest.TempPathFactory, base: Stages, ours: Stages, theirs: Stages
) -> None:
    paths = write(tmp_path_factory.mktemp("lock"), *map(dumped, (base, ours, theirs)))
    merged = merge_lock_files(*paths)
    stages, dropped = plainly(base, ours, theirs)
    assert paths[1].read_text() == dumped(stages)
    assert set(merged.dropped) == dropped


def test_a_lock_that_both_sides_added(tmp_path: Path) -> None:
    ours, theirs = {"a": entry("x", {}, 1)}, {"b": entry("y", {}, 1)}
    paths = write(tmp_path, "", dumped(ours), dumped(theirs))
    merge_lock_files(*paths)
    assert paths[1].read_text() == dumped(ours | theirs)


def test_an_entry_with_an_anchor_of_its_own_is_kept(tmp_path: Path) -> None:
    shared = [1, 2]
    with_anchor = dumped({"b": {"cmd": "y", "params": {"p.yaml": {"a": shared, "b": shared}}}})
    assert "&id001" in with_anchor
    paths = write(tmp_path, "", GOOD, with_anchor)
    merge_lock_files(*paths)
    assert paths[1].read_text() == GOOD + with_anchor.partition("stages:\n")[2]


def test_other_keys_of_one_side_are_kept_in_their_place(tmp_path: Path) -> None:
    plain = dumped({"a": entry("x", {}, 1)})
    more = plain + "datasets:\n- name: set\n  url: s3://bucket/set\n"
    for ours, theirs in ((plain, more), (more, plain)):
        paths = write(tmp_path, plain, ours, theirs)
        merge_lock_files(*paths)
        assert paths[1].read_text() == more


def test_other_keys_that_disagree_are_a_conflict(tmp_path: Path) -> None:
    texts = [GOOD + f"datasets:\n- name: {name}\n" for name in "abc"]
    locks = map(read_lock, write(tmp_path, *texts))
    with pytest.raises(MergeError, match="both sides changed datasets"):
        merge_locks(*locks)


@pytest.mark.parametrize(
    "bad",
    [
        GOOD.replace("2.0", "3.0"),
        GOOD.replace("2.0'", "2.0"),
        GOOD[:-1],
        GOOD + GOOD.partition("stages:\n")[2],
        GOOD + "stages:\n  b: {}\n",
        GOOD.replace("stages:", "stages: # all"),
        GOOD.replace("  a:", "    a:"),
        "- a list\n",
        "schema: '2.0'\nstages: {a: {cmd: x}}\n",
        "schema: '2.0'\nstages:\n",
        "schema: '2.0'\nstages:\n  a: !!python/object/apply:os.system [exit]\n",
        GOOD.replace("cmd: x", "cmd: *id001"),
        "\x00",
    ],
)
def test_a_lock_that_dvc_did_not_write_is_left_with_conflict_markers(
    tmp_path: Path, bad: str
) -> None:
    paths = write(tmp_path, GOOD, GOOD.replace("cmd: x", "cmd: y"), bad)
    with pytest.raises(MergeError, match="by hand"):
        merge_lock_files(*paths)


def test_the_conflict_markers_are_gits(tmp_path: Path) -> None:
    ours, theirs = (GOOD.replace("cmd: x", f"cmd: {name}") for name in "yz")
    paths = write(tmp_path, GOOD, ours, theirs.replace("2.0", "3.0"))
    with pytest.raises(MergeError, match="by stage"):
        merge_lock_files(*paths)
    assert "<<<<<<< ours\n    cmd: y\n=======\n    cmd: z\n>>>>>>> theirs" in paths[1].read_text()


def readme(first: str, table: str, last: str) -> str:
    return f"{first}\n\nsome lines\nbetween\n\n{START}\n{table}\n{END}\n\nand here\ntoo\n\n{last}\n"


def test_readmes_merge_around_our_table(tmp_path: Path) -> None:
    texts = readme("a", "0.1", "z"), readme("b", "0.2", "z"), readme("a", "0.3", "y")
    paths = write(tmp_path, *texts)
    assert merge_readmes(*paths)
    assert paths[1].read_text() == readme("b", "0.2", "y")


def test_readmes_with_the_same_table_merge_without_a_note(tmp_path: Path) -> None:
    paths = write(tmp_path, readme("a", "0", "z"), readme("b", "1", "z"), readme("a", "1", "y"))
    assert not merge_readmes(*paths)


def test_readmes_without_a_table_merge_as_text(tmp_path: Path) -> None:
    paths = write(tmp_path, "a\n\n\nb\n", "a\n\n\nc\n", "d\n\n\nb\n")
    assert not merge_readmes(*paths)
    assert paths[1].read_text() == "d\n\n\nc\n"


def test_other_lines_of_readmes_that_disagree_are_a_conflict(tmp_path: Path) -> None:
    paths = write(tmp_path, readme("a", "0", "z"), readme("b", "1", "z"), readme("c", "2", "z"))
    with pytest.raises(MergeError, match="same lines"):
        merge_readmes(*paths)
    found = paths[1].read_text()
    assert "<<<<<<< ours\nb\n=======\nc\n>>>>>>> theirs" in found
    assert found.count(START) == 1
