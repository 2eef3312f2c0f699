"""Messages about wrong values of every settings class: they name what to write."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.config.active import Active
from emm.config.binding import bind, bind_keywords
from emm.models import MODELS
from emm.tuning.space import Space
from tests.configuration import ROOT

INTERNAL = re.compile(r"typing|<class|NoneType|annotated|pydantic|\bemm\.|Field\(|\bNone\b|\bAny\b")


def settings_classes() -> Iterator[type]:
    """The dataclasses of every module called ``settings``, and those of params.yaml and tuning."""
    yield from (Active, Space)
    for file in sorted((ROOT / "src").rglob("settings.py")):
        module = import_module(".".join(file.relative_to(ROOT / "src").with_suffix("").parts))
        yield from (
            each
            for each in vars(module).values()
            if is_dataclass(each) and isinstance(each, type) and each.__module__ == module.__name__
        )


CLASSES = list(settings_classes())

WORDS = st.text(st.characters(codec="ascii", categories=["Ll", "Nd"]), max_size=6).filter(
    lambda word: not INTERNAL.search(word)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=4,
)


def assert_readable(fault: str) -> None:
    """No internal name, and `expected` says something else than `got`."""
    assert not INTERNAL.search(fault), fault
    found = re.search(r": (?:got (?P<got>.*), |missing; )expected (?P<expected>.+)$", fault)
    if found is None:
        assert re.search(r"unknown key; (did you mean|known:) ", fault), fault
        return
    assert found["expected"] not in ("a value", found["got"]), fault


def test_there_are_settings_in_every_room() -> None:
    rooms = {Path(*each.__module__.split(".")).parent.name for each in CLASSES}
    assert {"custom", "prepare", "training", "fusion", "trees", "evaluation", "fewshot"} <= rooms


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_wrong_value_of_a_setting(kind: Any, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([field.name for field in fields(kind)]))
    value = data.draw(VALUES)
    errors: list[str] = []
    bind(kind, {name: value}, "section", errors)
    for fault in errors:
        assert_readable(fault)


@pytest.mark.parametrize("model", sorted(set(MODELS) - {"gbdt"}))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_wrong_value_of_a_models_argument(model: str, data: st.DataObject) -> None:
    keys = ["embedding_dim", "tower", "dropout", "dense_encoding", "expert", "groups", "blocks"]
    keys += ["units", "own", "layers", "orthogonality", "rank", "flow", "features", "router"]
    value = data.draw(VALUES)
    errors: list[str] = []
    bind_keywords(MODELS[model], {data.draw(st.sampled_from(keys)): value}, "train.m", errors)
    for fault in errors:
        assert_readable(fault)


@pytest.mark.parametrize("value", ["text", 3, None, True, [[1]], {"a": [1]}])
def test_a_section_that_is_no_mapping(value: object) -> None:
    for kind in CLASSES:
        errors: list[str] = []
        bind(kind, value, "section", errors)
        for fault in errors:
            assert_readable(fault)
