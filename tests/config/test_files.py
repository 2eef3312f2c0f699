from pathlib import Path

import pytest

from emm.config.files import merged, read_layers
from emm.core.errors import ParamsError


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_file_needs_only_what_differs_from_its_base(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", "a: {x: 1, y: [1, 2]}\nb: 2\n")
    file = write(tmp_path, "study/params.yaml", "base: ../base.yaml\na: {y: [3]}\nc: 4\n")
    assert read_layers(file) == {"a": {"x": 1, "y": [3]}, "b": 2, "c": 4}


def test_a_section_without_a_base_has_nothing_of_the_other_files(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", "train: {a: {x: 1, y: 2}, b: {x: 1}}\n")
    text = "base: base.yaml\ntrain: {a: {base: null, z: 3}, c: {base: null, z: 4}}\n"
    file = write(tmp_path, "study/params.yaml", text.replace("base.yaml", "../base.yaml"))
    assert read_layers(file) == {"train": {"a": {"z": 3}, "b": {"x": 1}, "c": {"z": 4}}}


def test_a_base_may_have_a_base(tmp_path: Path) -> None:
    write(tmp_path, "conf/set/first.yaml", "x: 1\ny: 1\nz: 1\n")
    write(tmp_path, "conf/set/second.yaml", "base: first.yaml\ny: 2\nz: 2\n")
    file = write(tmp_path, "study/third.yaml", "base: ../conf/set/second.yaml\nz: 3\n")
    assert read_layers(file) == {"x": 1, "y": 2, "z": 3}


def test_a_section_needs_only_what_differs_from_its_neighbour(tmp_path: Path) -> None:
    text = (
        "s:\n  emm: {rate: 1, start: {towers: frozen}}\n  other: {like: emm, start: {nets: new}}\n"
    )
    found = read_layers(write(tmp_path, "p.yaml", text))
    assert found["s"]["other"] == {"rate": 1, "start": {"towers": "frozen", "nets": "new"}}
    assert found["s"]["emm"] == {"rate": 1, "start": {"towers": "frozen"}}


def test_a_neighbour_may_be_like_another_and_come_from_the_base(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", "first: {x: 1, y: 1}\n")
    text = "base: base.yaml\nthird: {like: second, z: 3}\nsecond: {like: first, y: 2}\n"
    found = read_layers(write(tmp_path, "p.yaml", text))
    assert found["third"] == {"x": 1, "y": 2, "z": 3}


def test_sections_within_a_section_that_is_like_another_keep_their_own_neighbours(
    tmp_path: Path,
) -> None:
    text = "a:\n  emm: {rate: 1}\n  row: {like: emm, merge: true}\nb: {like: a, emm: {rate: 5}}\n"
    found = read_layers(write(tmp_path, "p.yaml", text))
    assert found["a"]["row"] == {"rate": 1, "merge": True}
    assert found["b"]["row"] == {"rate": 5, "merge": True}


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("1E-3", 0.001), ("-2.5e4", -25000.0), ("1e+3", 1000.0), ("0.001", 0.001)],
)
def test_a_number_with_an_exponent_is_a_number(tmp_path: Path, text: str, value: float) -> None:
    found = read_layers(write(tmp_path, "p.yaml", f"rate: {text}\n"))["rate"]
    assert (found, type(found)) == (value, float)


@pytest.mark.parametrize("text", ["e3", "1e", "v1e-3", "'1e-3'", "tm-1"])
def test_text_with_an_e_is_text(tmp_path: Path, text: str) -> None:
    found = read_layers(write(tmp_path, "p.yaml", f"name: {text}\n"))["name"]
    assert found == text.strip("'")


@pytest.mark.parametrize("text", ["", "# A comment.\n", "{}\n", "null\n"])
def test_an_empty_file_holds_no_sections(tmp_path: Path, text: str) -> None:
    assert read_layers(write(tmp_path, "p.yaml", text)) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {like: b}\n", "no neighbour is called 'b'"),
        ("a: {like: 3}\n", "no neighbour is called '3'"),
        ("a: {like: a}\n", "a is like itself"),
        ("a: {like: b}\nb: {like: a}\n", "is like itself"),
        ("base: missing.yaml\n", r"missing\.yaml doesn't exist"),
        ("base: p.yaml\n", r"p\.yaml is its own base"),
        ("- 1\n", "holds no keys"),
        ("[]\n", "holds no keys"),
        ("a: [\n", "isn't YAML"),
        ("a: !!python/name:os.system\n", "isn't YAML"),
    ],
)
def test_an_unreadable_file_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        read_layers(write(tmp_path, "p.yaml", text))


def test_merging_leaves_its_arguments_unchanged() -> None:
    base, change = {"a": {"x": 1}}, {"a": {"y": 2}}
    assert merged(base, change) == {"a": {"x": 1, "y": 2}}
    assert (base, change) == ({"a": {"x": 1}}, {"a": {"y": 2}})
