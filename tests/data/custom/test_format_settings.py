"""The settings of the section `custom` that describe the format of files."""

from typing import Any

import pytest
import yaml

from emm.config.binding import bind
from emm.data.custom.settings import CustomDataSettings, custom_faults

CUSTOM = {"tasks": {"a": "b"}, "split": {"by": "random", "validation": 0.1, "test": 0.1}}


def bound(text: str) -> tuple[CustomDataSettings | None, list[str]]:
    """A section with these settings, and its faults."""
    errors: list[str] = []
    custom = bind(CustomDataSettings, CUSTOM | yaml.safe_load(text), "custom", errors)
    return custom, errors or custom_faults(custom, ("a",))


@pytest.mark.parametrize(
    "key", ["files", "columns", "dense", "sparse", "dates", "drop", "train", "validation", "test"]
)
def test_a_single_name_is_a_list_of_one(key: str) -> None:
    assert getattr(bound(f"{key}: x")[0], key) == ("x",)
    assert getattr(bound(f"{key}: [x, y]")[0], key) == ("x", "y")


@pytest.mark.parametrize(
    ("written", "texts"), [("'?'", ("?",)), ("-1", ("-1",)), ("[a, 2.5]", ("a", "2.5"))]
)
def test_a_single_missing_value_is_a_list_of_one(written: str, texts: tuple[str, ...]) -> None:
    custom, _ = bound(f"missing: {written}")
    assert custom is not None
    assert custom.missing_texts == texts


KNOWN = "expected a known encoding such as utf-8, utf-16, latin-1 or cp1252"
FAULTS: dict[str, str] = {
    "files: 3": "custom.files: got 3, expected a list of text, such as [name]",
    "files: [3]": "custom.files[0]: got 3, expected text",
    "files: [a.csv.gz, a.csv]": "custom: 'a.csv' is named twice; remove one of them",
    'separator: "::"': "custom.separator: got '::', expected one character",
    "separator: §": "custom.separator: got '§', expected an ASCII character",
    "encoding: utf-88": f"custom.encoding: got 'utf-88', {KNOWN}",
    "encoding: base64": f"custom.encoding: got 'base64', {KNOWN}",
    "decimal: ;": "custom.decimal: got ';', expected . or ,",
    "{decimal: ',', thousands: ','}": "custom.thousands: got ',', which is custom.decimal already",
    "columns: [a, b, a]": "custom.columns: got 'a' twice, expected different names",
}


@pytest.mark.parametrize(("text", "fault"), FAULTS.items(), ids=FAULTS)
def test_a_fault_is_named(text: str, fault: str) -> None:
    assert bound(text)[1] == [fault]


@pytest.mark.parametrize(
    "text",
    [
        "{encoding: latin-1, decimal: ',', thousands: '.'}",
        "{separator: ';', thousands: ' ', files: d.csv.zst}",
        "{columns: [a, b], dates: []}",
    ],
)
def test_a_valid_format_has_no_faults(text: str) -> None:
    assert bound(text)[1] == []


def test_no_fault_shows_an_internal_name() -> None:
    values: list[Any] = [3, 1.5, True, "x", None, [[1]], {"a": 1}]
    for key in CustomDataSettings.__dataclass_fields__:
        for value in values:
            _, errors = bound(yaml.safe_dump({key: value}))
            assert not [each for each in errors if "typing" in each or "Any" in each]
