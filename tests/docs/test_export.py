"""The page about exports."""

import re
from pathlib import Path

from emm.export.card import score_example

PAGE = Path(__file__).parents[2] / "docs/export.md"


def test_its_lines_that_check_an_installation_are_those_of_the_card() -> None:
    found = re.findall(r"```python\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found == [score_example()]
