"""The split rule that a configuration describes."""

from pathlib import Path

import pytest
import yaml

from emm.config.project import ConfigFile
from emm.data.datasets.split_rules import ByKey, ByTime, Halved, Split
from emm.data.prepare.dataset import split_rule


@pytest.mark.parametrize(
    ("custom", "name", "expected"),
    [
        (None, "census-income", Halved()),
        (None, "kuairand-pure", ByTime("date", 0.15, 0.15)),
        ({"by": "key", "validation": 0.1, "test": 0.2}, "shop", ByKey("user", 0.1, 0.2)),
    ],
)
def test_a_rule_is_that_of_the_registered_or_custom_dataset(
    custom: dict[str, object] | None, name: str, expected: Split, tmp_path: Path
) -> None:
    section = custom and {"tasks": {"buy": "bought"}, "key": "user", "split": custom}
    path = tmp_path / "data.yaml"
    path.write_text(yaml.safe_dump({"custom": section}))
    assert split_rule(ConfigFile(path), name) == expected
