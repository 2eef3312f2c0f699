from dataclasses import replace
from pathlib import Path

import pytest

from emm.check import check_sections
from emm.core.errors import ParamsError
from emm.params import Params, load_params

ROOT = Path(__file__).parent.parent
CENSUS = "census-income"


def changed(part: str, model: str, **keys: object) -> Params:
    params = load_params(ROOT / "params.yaml")
    block = params.blocks[CENSUS]
    recipe = params.recipe_of(CENSUS)
    sections = getattr(recipe, part)
    sections = {**sections, model: {**sections[model], **keys}}
    block = replace(block, paper=replace(recipe, **{part: sections}))
    return replace(params, blocks={CENSUS: block})


def test_the_projects_own_sections_fit_their_models() -> None:
    params = load_params(ROOT / "params.yaml")
    assert check_sections(params) is None


@pytest.mark.parametrize(
    ("part", "model", "key", "message"),
    [
        ("pretrain", "tm-1", "block", "tm-1.block: unknown key; did you mean 'blocks'"),
        ("train", "mmoe", "expert_count", "mmoe.expert_count: unknown key"),
        ("train", "gbdt", "max_iteration", "gbdt.max_iteration: unknown key; did you mean"),
        ("train", "emm", "pool", "emm.pool: unknown key"),
    ],
)
def test_an_unknown_key_is_named(part: str, model: str, key: str, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        check_sections(changed(part, model, **{key: 1}))


def test_a_value_out_of_bounds_is_named() -> None:
    with pytest.raises(ParamsError, match=r"mmoe\.experts: got 0, expected at least 1"):
        check_sections(changed("train", "mmoe", experts=0))


def test_a_model_that_does_not_exist_is_named() -> None:
    params = replace(load_params(ROOT / "params.yaml"), baselines=("mmeo",))
    with pytest.raises(ParamsError, match="no section is called 'mmeo'; did you mean 'mmoe'"):
        check_sections(params)
