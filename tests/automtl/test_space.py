import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emm.automtl.space import (
    WIDTHS,
    Architecture,
    Expert,
    architecture_of,
    plain,
    read_architecture,
    write_architecture,
)
from emm.core.errors import ModelFileError

FIELDS, TASKS = ("age", "sex", "town", "day"), ("click", "like")
NAMES = tuple(WIDTHS)


def places(count: int, least: int = 1) -> st.SearchStrategy[tuple[int, ...]]:
    chosen = st.sets(st.integers(0, count - 1), min_size=least)
    return chosen.map(lambda each: tuple(sorted(each)))


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    counts = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    operators = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(tuple)
    levels, below = [], 0
    for number, count in enumerate(counts):
        reads = [
            {"experts": draw(places(below))}
            if number
            else {"fields": draw(places(4)), "interactions": draw(places(4, 0))}
            for _ in range(count)
        ]
        levels.append(tuple(Expert(draw(operators), **own) for own in reads))
        below = count
    return Architecture(8, tuple(levels), tuple(draw(places(below)) for _ in TASKS))


@given(architectures())
def test_a_written_architecture_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, found: Any
) -> None:
    path = tmp_path_factory.mktemp("space") / "architecture.json"
    write_architecture(path, found, FIELDS, TASKS)
    assert read_architecture(path, FIELDS, TASKS) == found
    assert architecture_of(json.loads(json.dumps(plain(found))), 4, 2, "here") == found


def tree() -> dict[str, Any]:
    """The content of a valid architecture.json."""
    first = {"fields": ["age"], "interactions": ["sex", "town"], "operators": ["mlp-16"]}
    return {
        "format": 1,
        "width": 8,
        "levels": [[first], [{"experts": [0], "operators": ["identity"]}]],
        "tasks": {"click": [0], "like": [0]},
    }


def read(folder: Path, content: Any) -> Architecture:
    path = folder / "architecture.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_architecture(path, FIELDS, TASKS)


def test_fields_and_tasks_have_names_in_the_file(tmp_path: Path) -> None:
    found = read(tmp_path, tree())
    assert found.levels[0][0] == Expert(("mlp-16",), (0,), (1, 2))
    assert found.receivers(0) == ((0,),)
    assert found.receivers(1) == found.tasks == ((0,), (0,))


def test_the_order_of_tasks_does_not_change_the_architecture(tmp_path: Path) -> None:
    swapped = tree()
    swapped["levels"][1].append({"experts": [0], "operators": ["mlp-32"]})
    swapped["tasks"] = {"like": [1], "click": [0]}
    assert read(tmp_path, swapped).tasks == ((0,), (1,))


def set_at(keys: list[Any], value: Any) -> Any:
    changed = tree()
    place = changed
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "can't be read"),
        ("[1]", "another format"),
        (set_at(["format"], 2), "another format"),
        (set_at(["width"], 0), "width: got 0, expected at least 1"),
        (set_at(["levels"], []), "levels: got none"),
        (set_at(["levels", 0], []), "levels[0]: got no expert"),
        (set_at(["levels", 0, 0, "fields"], ["agee"]), "did you mean 'age'"),
        (set_at(["levels", 0, 0, "fields"], []), "levels[0][0].fields: got none"),
        (set_at(["levels", 0, 0, "fields"], ["age", "age"]), "ascending numbers"),
        (set_at(["levels", 0, 0, "operators"], ["mlp-17"]), "'mlp-17'"),
        (set_at(["levels", 0, 0, "experts"], [0]), "none on this level"),
        (set_at(["levels", 1, 0, "experts"], [1]), "ascending numbers below 1"),
        (set_at(["levels", 1, 0, "experts"], []), "levels[1][0].experts: got none"),
        (set_at(["levels", 1, 0, "fields"], ["age"]), "none on this level"),
        (set_at(["levels", 1, 0, "experts"], "0"), "expected a list"),
        (set_at(["tasks"], {"click": [0]}), "expected click, like"),
        (set_at(["tasks", "like"], [2]), "ascending numbers below 1"),
        (set_at(["depth"], 3), "depth: unknown key"),
    ],
)
def test_a_malformed_file_is_rejected_with_its_faults(
    tmp_path: Path, content: Any, said: str
) -> None:
    with pytest.raises(ModelFileError) as refused:
        read(tmp_path, content)
    assert said in str(refused.value)
    assert "dvc repro" in str(refused.value)


def test_a_missing_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="can't be read"):
        read_architecture(tmp_path / "architecture.json", FIELDS, TASKS)
