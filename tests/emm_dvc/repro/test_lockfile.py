from copy import deepcopy
from itertools import permutations
from random import Random

import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from emm_dvc.repro.lockfile import arranged, entries, serial_order

# Names that YAML writes in quotes, with a mark, or folded over lines.
NAMES = ["train@a-b", "123", "yes", "x" * 130, "über", "with space", "a: b"]
BODY = {
    "cmd": ["python a.py", "echo '  x:' && " + "word " * 60],
    "deps": [{"path": "x", "md5": "0" * 32, "size": 3}],
    "params": {"params.yaml": {"a": None, "b": [1, {"c": "d"}], "text": "two\nlines:\n"}},
}


def lock(names: list[str], **more: object) -> str:
    return dumps_yaml({"schema": "2.0", "stages": {name: deepcopy(BODY) for name in names}, **more})


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(NAMES), unique=True), st.randoms(use_true_random=False))
def test_the_order_is_that_of_dvc_writing_it_in_this_order(
    names: list[str], random: Random
) -> None:
    order = names.copy()
    random.shuffle(order)
    assert entries(lock(names)) == list(loads_yaml(lock(names))["stages"])
    assert arranged(lock(names), order) == lock(order)


def test_other_sections_stay_where_they_are() -> None:
    more = {"datasets": [{"name": "d"}]}
    for order in permutations(["a", "b", "c"]):
        assert arranged(lock(["a", "b", "c"], **more), order) == lock(list(order), **more)


def test_stages_that_the_order_does_not_name_come_last() -> None:
    assert entries(arranged(lock(["new", "b", "a"]), ["a", "b"])) == ["a", "b", "new"]


@pytest.mark.parametrize("text", ["", "schema: '2.0'\n"])
def test_a_lock_file_without_stages_has_no_entries(text: str) -> None:
    assert entries(text) == []
    assert arranged(text, ["a"]) == text


def test_old_entries_stay_and_new_ones_follow_as_planned() -> None:
    found = serial_order(["b", "gone", "a"], ["a", "b", "c", "failed", "d"], ["a", "b", "d", "c"])
    assert found == ["b", "a", "c", "d"]
