from pathlib import Path

import pytest

from emm.config.files import merged, read_layers
from emm.core.errors import ParamsError


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_file_says_only_what_differs_from_its_base(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", "a: {x: 1, y: [1, 2]}\nb: 2\n")
    file = write(tmp_path, "study/params.yaml", "base: ../base.yaml\na: {y: [3]}\nc: 4\n")
    assert read_layers(file) == {"a": {"x": 1, "y": [3]}, "b": 2, "c": 4}


def test_a_section_says_only_what_differs_from_its_neighbour(tmp_path: Path) -> None:
    text = (
        "s:\n  emm: {rate: 1, start: {towers: frozen}}\n  other: {like: emm, start: {nets: new}}\n"
    )
    found = read_layers(write(tmp_path, "p.yaml", text))
    assert found["s"]["other"] == {"rate": 1, "start": {"towers": "frozen", "nets": "new"}}
    assert found["s"]["emm"] == {"rate": 1, "start": {"towers": "frozen"}}


def test_likeness_is_handed_on_and_reaches_what_a_neighbour_takes_from_its_base(
    tmp_path: Path,
) -> None:
    write(tmp_path, "base.yaml", "first: {x: 1, y: 1}\n")
    text = "base: base.yaml\nthird: {like: second, z: 3}\nsecond: {like: first, y: 2}\n"
    found = read_layers(write(tmp_path, "p.yaml", text))
    assert found["third"] == {"x": 1, "y": 2, "z": 3}


def test_sections_inside_a_block_that_is_like_another_keep_their_own_likeness(
    tmp_path: Path,
) -> None:
    text = "a:\n  emm: {rate: 1}\n  row: {like: emm, merge: true}\nb: {like: a, emm: {rate: 5}}\n"
    found = read_layers(write(tmp_path, "p.yaml", text))
    assert found["a"]["row"] == {"rate": 1, "merge": True}
    assert found["b"]["row"] == {"rate": 5, "merge": True}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {like: b}\n", "no neighbour is called 'b'"),
        ("a: {like: a}\n", "a is like itself"),
        ("a: {like: b}\nb: {like: a}\n", "is like itself"),
        ("base: missing.yaml\n", r"missing\.yaml isn't there"),
        ("- 1\n", "holds no keys"),
        ("a: [\n", "isn't YAML"),
    ],
)
def test_what_can_not_be_read_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        read_layers(write(tmp_path, "p.yaml", text))


def test_merging_leaves_its_arguments_alone() -> None:
    base, change = {"a": {"x": 1}}, {"a": {"y": 2}}
    assert merged(base, change) == {"a": {"x": 1, "y": 2}}
    assert (base, change) == ({"a": {"x": 1}}, {"a": {"y": 2}})
