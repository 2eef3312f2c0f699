import json
from pathlib import Path

import pytest

from emm.core.errors import DataError
from emm.data.schema import FORMAT, Schema, Split, load_schema, write_schema

SCHEMA = Schema(
    format=FORMAT,
    dataset="tiny",
    title="Tiny",
    licence="CC0",
    origin="",
    tasks=("a", "b"),
    key=None,
    dense=(),
    sparse=(),
    splits={"train": Split(3, {"a": 0.5, "b": 0.25})},
    vocabularies={"file": "vocabularies.parquet", "sha256": "0"},
)


def test_it_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_schema(SCHEMA, tmp_path / "schema.json")
    assert load_schema(tmp_path / "schema.json") == SCHEMA


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "can't be read"),
        ("[]", "another format"),
        (json.dumps({"format": FORMAT + 1}), "another format"),
        (json.dumps({"format": FORMAT, "tasks": 3}), "damaged"),
    ],
)
def test_a_damaged_schema_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "schema.json").write_text(text)
    with pytest.raises(DataError, match=message):
        load_schema(tmp_path / "schema.json")
