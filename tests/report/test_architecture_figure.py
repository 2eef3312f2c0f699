"""Reading and drawing found architectures."""

import re
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from emm.automtl.space import (
    ARCHITECTURE,
    Architecture,
    Expert,
    NamedArchitecture,
    read_named,
    write_architecture,
)
from emm.core.errors import ModelFileError
from emm.report.architecture_figure import architectures_of, draw_architecture

FIELDS, TASKS = ("age", "sex", "town"), ("click", "like")
FOUND = Architecture(
    8,
    (
        (Expert(("mlp-16", "identity"), (0, 1), (0, 2)), Expert(("identity",) * 2, (1,))),
        (Expert(("mlp-64", "mlp-32"), experts=(0, 1)),),
    ),
    ((0,), (0,)),
)


def named(folder: Path) -> NamedArchitecture:
    write_architecture(folder / ARCHITECTURE, FOUND, FIELDS, TASKS)
    return read_named(folder / ARCHITECTURE)


def drawn(folder: Path) -> str:
    draw_architecture(folder / "found.svg", named(folder))
    return (folder / "found.svg").read_text()


def test_every_box_and_field_is_drawn_once(tmp_path: Path) -> None:
    text = drawn(tmp_path)
    ElementTree.fromstring(text)
    # Letters are drawn as paths; the comments contain the text.
    texts = [each.strip() for each in re.findall(r"<!-- (.+?) -->", text)]
    for name in (*FIELDS, *TASKS, "16 · =", "= · =", "64 · 32", "2.1"):
        assert texts.count(name) == 1, name
    assert texts.count("1.1") == texts.count("1.2") == 2  # above the fields, and in the graph


def test_the_same_architecture_gives_the_same_bytes(tmp_path: Path) -> None:
    assert drawn(tmp_path) == drawn(tmp_path)


def test_models_without_an_architecture_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "mmoe").mkdir()
    (tmp_path / "automtl").mkdir()
    expected = named(tmp_path / "automtl")
    models = [SimpleNamespace(name=name, folder=tmp_path / name) for name in ("mmoe", "automtl")]
    assert architectures_of(models) == {"automtl": expected}  # type: ignore[arg-type]


def test_a_damaged_architecture_is_rejected(tmp_path: Path) -> None:
    (tmp_path / ARCHITECTURE).write_text('{"format": 1}')
    with pytest.raises(ModelFileError, match="levels: missing"):
        architectures_of([SimpleNamespace(name="automtl", folder=tmp_path)])  # type: ignore[list-item]
