"""Sections of a file of conf/, as settings and as arguments of a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import yaml
from pydantic import Field

from emm.config.project import ConfigFile, split_section
from emm.core.errors import ParamsError
from tests.configuration import ROOT


@dataclass(frozen=True)
class Part:
    rate: Annotated[float, Field(gt=0)]
    names: tuple[str, ...] = ()


class Model:
    def __init__(self, inputs: int, *, widths: Sequence[int] = (8,), pool: int = 0) -> None:
        self.inputs, self.widths, self.pool = inputs, widths, pool


def config_file(tmp_path: Path, text: str) -> ConfigFile:
    (tmp_path / "paper.yaml").write_text(text)
    return ConfigFile(tmp_path / "paper.yaml")


def test_a_section_is_found_by_its_keys(tmp_path: Path) -> None:
    file = config_file(tmp_path, "train:\n  mmoe: {experts: 3}\n  4: {experts: 5}\n")
    assert file.section("train.mmoe") == {"experts": 3}
    assert file.section("train.mmoe.experts") == 3
    assert file.section("train.4") == {"experts": 5}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("training", r"no section is called 'training'; did you mean 'train'\?\n  where: FILE\n"),
        ("train.mmeo", r"called 'mmeo'; did you mean 'mmoe'\?\n  where: FILE: train\n"),
        ("train.mmoe.x.y", r"called 'x'; known: experts\n  where: FILE: train\.mmoe\n"),
        ("train.mmoe.experts.y", r"called 'y'; known: none\n  where: FILE: train\.mmoe\.experts"),
    ],
)
def test_a_missing_section_names_the_file_and_its_neighbours(
    tmp_path: Path, key: str, message: str
) -> None:
    file = config_file(tmp_path, "train: {mmoe: {experts: 3}}\n")
    with pytest.raises(ParamsError, match=message.replace("FILE", str(file.path))) as error:
        file.section(key)
    assert f"  next: add {key} to {file.path}; `emm check --fix`" in str(error.value)


def test_a_section_becomes_settings(tmp_path: Path) -> None:
    file = config_file(tmp_path, "part: {rate: 1e-3, names: [a, b]}\n")
    assert file.read("part", Part) == Part(0.001, ("a", "b"))


def test_an_absent_section_may_be_none(tmp_path: Path) -> None:
    file = config_file(tmp_path, "part: null\nother: {rate: 1}\n")
    assert file.read_optional("part", Part) is None
    assert file.read_optional("absent", Part) is None
    assert file.read_optional("other", Part) == Part(1.0)


def test_the_keys_of_other_stages_are_left_out_of_a_part(tmp_path: Path) -> None:
    file = config_file(tmp_path, "part: {rate: 1, names: [a], another: stage's}\n")
    assert file.read_part("part", Part) == Part(1.0, ("a",))
    with pytest.raises(ParamsError, match=r"part\.another: unknown key"):
        file.read("part", Part)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{rate: 0}", r"part\.rate: got 0, expected more than 0"),
        ("{rat: 1}", r"part\.rate: missing; expected a number more than 0"),
        ("null", "part: got null, expected the keys rate, names"),
        ("[1]", r"part: got \[1\], expected the keys rate, names"),
    ],
)
def test_a_fault_names_the_section_and_the_file(tmp_path: Path, text: str, message: str) -> None:
    file = config_file(tmp_path, f"part: {text}\n")
    for read in (file.read, file.read_part):
        with pytest.raises(ParamsError, match=message) as error:
            read("part", Part)
        assert str(file.path) in str(error.value)


def test_a_models_section_is_split_into_settings_and_arguments(tmp_path: Path) -> None:
    file = config_file(tmp_path, "train: {m: {rate: 2, widths: [3, 4]}, bare: }\n")
    settings, arguments = file.read_model("train.m", Model, Part, ("pool",))
    assert (settings, arguments) == (Part(2.0), {"widths": (3, 4)})
    with pytest.raises(ParamsError, match=r"train\.bare\.rate: missing"):
        file.read_model("train.bare", Model, Part)


@pytest.mark.parametrize("value", [[], 0, False, "text"])
def test_a_models_section_that_is_no_mapping_is_an_error(value: object) -> None:
    with pytest.raises(ParamsError, match=r"m: got .*, expected the keys rate, names, widths"):
        split_section(value, Model, "m", Part, ("pool",))


def test_all_faults_of_a_models_section_are_reported_at_once(tmp_path: Path) -> None:
    file = config_file(tmp_path, "train: {m: {rate: 0, width: [3], pool: 1, widths: 3}}\n")
    with pytest.raises(ParamsError) as error:
        file.read_model("train.m", Model, Part, ("pool",))
    lines = str(error.value).splitlines()
    assert lines[0] == f"4 settings in {file.path} can't be used:"
    assert sorted(lines[1:5]) == [
        "  - train.m.pool: unknown key; known: rate, names, widths",
        "  - train.m.rate: got 0, expected more than 0",
        "  - train.m.width: unknown key; did you mean 'widths'?",
        "  - train.m.widths: got 3, expected a list of whole numbers, such as [8]",
    ]


def test_sections_that_nobody_reads_are_refused(tmp_path: Path) -> None:
    file = config_file(tmp_path, "trainig: {}\ntrain: {}\n1: {}\n")
    with pytest.raises(ParamsError) as error:
        file.refuse_unknown(("training", "train"))
    assert "trainig: unknown key; did you mean 'training'?" in str(error.value)
    assert "1: unknown key; known: training, train" in str(error.value)
    file.refuse_unknown(("trainig", "train", 1))  # type: ignore[arg-type]


def test_every_file_of_the_projects_conf_is_a_mapping() -> None:
    files = sorted((ROOT / "conf").glob("*/*.yaml"))
    assert files
    for file in files:
        assert yaml.safe_load(file.read_text()) == ConfigFile(file).tree
