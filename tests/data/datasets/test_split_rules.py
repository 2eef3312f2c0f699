import pytest

from emm.data.datasets.split_rules import (
    AsPublished,
    ByColumn,
    ByKey,
    ByTime,
    Halved,
    HeldOut,
    Randomly,
    Split,
    renamed,
)

RULES: list[tuple[Split, Split]] = [
    (ByTime("a", 0.1, 0.2), ByTime("A", 0.1, 0.2)),
    (ByKey("a", 0.1, 0.2), ByKey("A", 0.1, 0.2)),
    (ByColumn("a", ("a",), ("b",)), ByColumn("A", ("a",), ("b",))),
    (HeldOut(0.1, "a"), HeldOut(0.1, "A")),
    (HeldOut(0.1), HeldOut(0.1)),
    (Randomly(0.1, 0.2), Randomly(0.1, 0.2)),
    (Halved(), Halved()),
    (AsPublished(), AsPublished()),
]


@pytest.mark.parametrize(("rule", "other"), RULES)
def test_a_rule_follows_the_new_name_of_its_column(rule: Split, other: Split) -> None:
    assert renamed(rule, str.upper) == other
