"""What `dvc exp run --set-param` makes of params.yaml, by the function of DVC that writes it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from emm_dvc.aliases import shared_sections

ROOT = Path(__file__).parents[2]
KEYS = ("paper", "train", "emm", "learning_rate")


def rate(tree: Any, block: str) -> Any:
    for key in (block, *KEYS):
        tree = tree[key]
    return tree


@pytest.fixture
def params(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path))


def overridden(params: Path, block: str) -> tuple[Any, Any]:
    """The file before and after DVC has set a block's rate."""
    before = yaml.safe_load(params.read_text())
    apply_overrides(str(params), [f"{'.'.join((block, *KEYS))}=0.5"])
    return before, yaml.safe_load(params.read_text())


def test_a_value_of_the_active_dataset_is_set_and_everything_else_means_the_same(
    params: Path,
) -> None:
    assert shared_sections(params, ["census-income"]) == []
    before, after = overridden(params, "census-income")
    assert rate(after, "census-income") == 0.5
    before["census-income"]["paper"]["train"]["emm"]["learning_rate"] = 0.5
    assert after == before


def test_a_value_of_a_section_that_is_named_as_shared_is_lost(params: Path) -> None:
    found = shared_sections(params, ["ali-ccp"])
    assert ("ali-ccp.paper", "qb-video") in found
    before, after = overridden(params, "ali-ccp")
    assert after == before


def test_a_copy_of_its_own_is_no_shared_section(params: Path) -> None:
    params.write_text(params.read_text() + "\nmine: {paper: {train: {emm: {learning_rate: 1}}}}\n")
    assert shared_sections(params, ["mine"]) == []
    _, after = overridden(params, "mine")
    assert rate(after, "mine") == 0.5
