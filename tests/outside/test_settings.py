"""Entries of fusion.pool, as they are read from a recipe."""

import re
from typing import Any

import pytest

from emm.config.binding import bind
from emm.fusion.settings import FusionSettings
from emm.outside.settings import OutsideModel


def read(pool: Any) -> tuple[Any, list[str]]:
    errors: list[str] = []
    found = bind(FusionSettings, {"pool": pool}, "fusion", errors)
    return found and found.pool, errors


def test_entries_are_read_by_name_in_their_order() -> None:
    pool = {
        "risk": {"task": "income", "model": "pool/risk.onnx", "reference": "pool/rows.csv"},
        "a-1": {"task": "income", "model": "m.txt", "columns": {"x": "age / 2"}, "gives": "logit"},
        "net": {"task": "income", "factory": "pool.net:build", "weights": "n.safetensors"},
    }
    found, errors = read(pool)
    assert errors == []
    assert [*found] == [*pool]
    assert found["risk"].files == ("pool/risk.onnx", "pool/rows.csv")
    assert found["a-1"].expressions == {"x": "age / 2"}
    assert found["net"].path == "n.safetensors"
    assert found["net"].is_network


def test_no_models_may_be_written_as_an_empty_list() -> None:
    assert read([]) == ({}, [])
    assert FusionSettings().pool == {}


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        ([{"task": "income"}], r"fusion\.pool: got \[.*\], expected a name for each model, such"),
        ({"a": {"task": "b", "trees": "m.txt"}}, "expected `model` in place of the key `trees`"),
        ({"a.b": {"task": "b"}}, "expected names of letters, digits, '-' and '_' only"),
        ({"../a": {"task": "b"}}, "expected names of letters"),
        ({"a": {"model": "m.txt"}}, r"fusion\.pool\.a\.task: missing; expected text"),
        ({"a": {"task": "b", "columns": "encode"}}, "got 'encode', expected a mapping, such as"),
        ({"a": {"task": "b", "columns": {"x": 1}}}, r"a\.columns: got \{x: 1\}, expected a mapp"),
        ({"a": {"task": "b", "gives": "p"}}, "expected probability or logit or value"),
        ({"a": {"task": "b", "tolerance": 0.01}}, "expected more than 0 and at most 0.0001"),
        ({"a": {"task": "b", "modle": "m"}}, "modle: unknown key; did you mean 'model'"),
    ],
)
def test_a_fault_of_an_entry_is_named(pool: Any, message: str) -> None:
    found, errors = read(pool)
    assert found is None
    assert len(errors) == 1

    assert re.search(message, errors[0]), errors


def test_an_entry_has_no_reference_by_default() -> None:
    entry = OutsideModel("income", model="m.onnx")
    assert entry.reference is None
    assert entry.files == ("m.onnx",)
    assert OutsideModel("income", model="m.onnx", reference="none").files == ("m.onnx",)
