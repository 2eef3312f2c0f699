from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from emm.config.binding import Count, Share, bind, bind_keywords
from emm.core.errors import nearest


@dataclass(frozen=True)
class Inner:
    count: Count


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    rates: tuple[Share, ...]
    extra: Mapping[str, int]
    rate: float | None
    flag: bool = False
    some: Annotated[tuple[int, ...], Field(min_length=1)] = (1,)


GOOD: dict[str, Any] = {
    "name": "x",
    "inner": {"count": 3},
    "rates": [0.5, 1],
    "extra": {"a": 1},
    "rate": None,
}


def faults(changes: Mapping[str, Any]) -> list[str]:
    errors: list[str] = []
    bind(Outer, {**GOOD, **changes}, "", errors)
    return errors


def test_a_valid_mapping_becomes_the_dataclass() -> None:
    errors: list[str] = []
    bound = bind(Outer, GOOD, "", errors)
    assert (bound, errors) == (Outer("x", Inner(3), (0.5, 1.0), {"a": 1}, None), [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nam": "x"}, "nam: unknown key; did you mean 'name'?"),
        ({"inner": {}}, "inner.count: missing; expected a whole number at least 1"),
        ({"inner": {"count": 0}}, "inner.count: got 0, expected at least 1"),
        ({"inner": {"count": True}}, "inner.count: got true, expected a whole number"),
        ({"inner": {"count": 2.5}}, "inner.count: got 2.5, expected a whole number"),
        ({"inner": 3}, "inner: got 3, expected the keys count"),
        ({"rates": [0.5, 1.5]}, "rates[1]: got 1.5, expected at least 0 and at most 1"),
        (
            {"rates": 0.5},
            "rates: got 0.5, expected a list of numbers at least 0 and at most 1, such as [0.5]",
        ),
        ({"extra": [1]}, "extra: got [1], expected a mapping, such as {name: 8}"),
        ({"rate": "fast"}, "rate: got 'fast', expected a number"),
        ({"flag": "yes"}, "flag: got 'yes', expected true or false"),
        ({"name": 3}, "name: got 3, expected text"),
        ({"some": []}, "some: got [], expected at least one value"),
        (
            {date(2024, 5, 1): 1},
            "2024-05-01: unknown key; known: name, inner, rates, extra, rate, flag, some",
        ),
        (
            {"inner": {"count": 1, date(2024, 5, 1): 1}},
            "inner.2024-05-01: unknown key; known: count",
        ),
    ],
)
def test_a_fault_is_named(changes: Mapping[str, Any], message: str) -> None:
    assert faults(changes) == [message]


def test_all_faults_are_reported_at_once() -> None:
    assert len(faults({"nam": 1, "inner": {"count": 0}, "flag": 1})) == 3


def test_an_open_bound_excludes_itself() -> None:
    errors: list[str] = []
    bind(Annotated[float, Field(gt=0)], 0.0, "rate", errors)
    assert errors == ["rate: got 0.0, expected more than 0"]


class Model:
    def __init__(self, tasks: int, *, widths: Sequence[int], rate: Share, given: int) -> None:
        self.seen = (tasks, widths, rate, given)


def test_keywords_are_validated_against_the_signature() -> None:
    errors: list[str] = []
    bound = bind_keywords(Model, {"widths": [1, 2], "rate": 0}, "m", errors, given=("given",))
    assert (bound, errors) == ({"widths": (1, 2), "rate": 0.0}, [])


def test_unknown_and_missing_keywords_are_named() -> None:
    errors: list[str] = []
    bind_keywords(Model, {"width": [1], "given": 1}, "m", errors)
    assert sorted(errors) == [
        "m.rate: missing; expected a number at least 0 and at most 1",
        "m.width: unknown key; did you mean 'widths'?",
        "m.widths: missing; expected a list of whole numbers, such as [8]",
    ]


def test_the_closest_key_is_suggested_or_all_are_listed() -> None:
    assert nearest("learning_rat", ["learning_rate", "dropout"]) == "did you mean 'learning_rate'?"
    assert nearest("zzz", ["learning_rate", "dropout"]) == "known: learning_rate, dropout"


@dataclass(frozen=True)
class Chosen:
    pace: Literal["slow", "fast"]
    brake: Literal["drum"] | None = None
    inner: Inner = field(default_factory=lambda: Inner(2))
    extra: Mapping[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize("value", [{"pace": "slow"}, {"pace": "fast", "brake": "drum"}])
def test_each_of_the_named_values_is_valid(value: dict[str, str]) -> None:
    errors: list[str] = []
    bound = bind(Chosen, value, "", errors)
    assert errors == []
    assert (bound.pace, bound.brake) == (value["pace"], value.get("brake"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"pace": "quick"}, "pace: got 'quick', expected slow or fast"),
        ({"pace": 3}, "pace: got 3, expected slow or fast"),
        ({"pace": "slow", "brake": "disc"}, "brake: got 'disc', expected drum"),
        ({}, "pace: missing; expected slow or fast"),
    ],
)
def test_a_value_that_is_not_named_is_a_fault(value: dict[str, Any], message: str) -> None:
    errors: list[str] = []
    bind(Chosen, value, "", errors)
    assert errors == [message]


def test_a_default_may_come_from_a_factory() -> None:
    errors: list[str] = []
    first, second = (bind(Chosen, {"pace": "slow"}, "", errors) for _ in range(2))
    assert errors == []
    assert (first.inner, first.extra) == (Inner(2), {})
    assert first.extra is not second.extra


def test_a_value_replaces_the_default_of_a_factory() -> None:
    errors: list[str] = []
    bound = bind(Chosen, {"pace": "slow", "inner": {"count": 5}}, "", errors)
    assert (bound.inner, errors) == (Inner(5), [])


@pytest.mark.parametrize(("given", "inner"), [({}, Inner(2)), ({"inner": {"count": 5}}, Inner(5))])
def test_settings_next_to_a_signature_may_have_a_factory_default(
    given: dict[str, Any], inner: Inner
) -> None:
    errors: list[str] = []
    value = {"widths": [1], "rate": 0, "given": 1, "pace": "slow", **given}
    bound = bind_keywords(Model, value, "m", errors, settings=Chosen)
    assert errors == []
    assert bound["inner"] == inner


@dataclass(frozen=True)
class Circle:
    radius: float


@dataclass(frozen=True)
class Box:
    width: float
    height: float


@dataclass(frozen=True)
class Shapes:
    shapes: Mapping[str, Circle | Box]


def test_of_several_dataclasses_the_one_with_these_keys_is_bound() -> None:
    errors: list[str] = []
    found = bind(
        Shapes, {"shapes": {"a": {"radius": 1}, "b": {"width": 2, "height": 3}}}, "", errors
    )
    assert errors == []
    assert found == Shapes({"a": Circle(1.0), "b": Box(2.0, 3.0)})


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"width": 2}, "shapes.a.height: missing; expected a number"),
        ({"size": 2}, "shapes.a.size: unknown key; known: radius"),
        (None, "shapes.a: got null, expected the keys radius"),
        (7, "shapes.a: got 7, expected the keys radius"),
    ],
)
def test_a_fault_of_several_dataclasses_is_that_of_the_closest(tree: object, message: str) -> None:
    errors: list[str] = []
    bind(Shapes, {"shapes": {"a": tree}}, "", errors)
    assert message in errors
