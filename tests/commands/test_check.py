from dataclasses import replace
from pathlib import Path

import pytest

from emm.commands.check import check_sections
from emm.config import Params, load_params
from emm.core.errors import ParamsError

ROOT = Path(__file__).parents[2]
CENSUS = "census-income"


def changed(part: str, model: str, **keys: object) -> Params:
    params = load_params(ROOT / "params.yaml")
    block = params.blocks[CENSUS]
    recipe = params.recipe_of(CENSUS)
    sections = getattr(recipe, part)
    sections = {**sections, model: {**sections[model], **keys}}
    block = replace(block, **{params.recipe: replace(recipe, **{part: sections})})
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


@pytest.mark.parametrize(
    ("part", "key", "message"),
    [
        ("search", "expert", "automtl.expert: unknown key; did you mean 'experts'"),
        ("search", "warmup", "automtl.warmup: unknown key; did you mean 'warm_up'"),
        ("train", "towers", "automtl.towers: unknown key; did you mean 'tower'"),
        ("train", "architecture", "automtl.architecture: unknown key"),
    ],
)
def test_an_unknown_key_of_a_searched_row_is_named(part: str, key: str, message: str) -> None:
    params = replace(changed(part, "automtl", **{key: 1}), searched=("automtl",))
    with pytest.raises(ParamsError, match=message):
        check_sections(params)


def test_the_sections_of_a_searched_row_fit() -> None:
    params = replace(load_params(ROOT / "params.yaml"), searched=("automtl",))
    assert check_sections(params) is None


def test_a_value_out_of_bounds_is_named() -> None:
    with pytest.raises(ParamsError, match=r"mmoe\.experts: got 0, expected at least 1"):
        check_sections(changed("train", "mmoe", experts=0))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"variant": "alined"},
            r"emm\.variant: got 'alined', expected paper or aligned or ensemble",
        ),
        ({"dense_encoding": "log"}, r"emm\.dense_encoding: got 'log', expected scaled or binned"),
        ({"merge": "no"}, r"emm\.merge: got 'no', expected true or false"),
        ({"start": {"towers": "thawed"}}, r"emm\.start\.towers: got 'thawed', expected trained or"),
        ({"start": {"network": "fresh"}}, r"start\.network: unknown key; did you mean 'networks'"),
        ({"second": {"max_epochs": 2}}, r"emm\.second\.learning_rate: missing"),
        ({"members": "wide"}, r"emm\.members: got 'wide', expected a list of text"),
        ({"max_epochs": 0}, r"emm\.max_epochs: got 0, expected at least 1"),
    ],
    ids=str,
)
def test_a_setting_of_a_fused_row_that_can_not_be_is_named(
    keys: dict[str, object], message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        check_sections(changed("train", "emm", **keys))


def test_every_setting_of_a_fused_row_may_be_given() -> None:
    keys = {
        "members": ["tm-1", "gbdt/income"],
        "start": {"networks": "trained", "embeddings": "fresh", "towers": "frozen"},
        "second": {"learning_rate": 1e-4, "max_epochs": 2},
        "max_epochs": 4,
        "merge": False,
        "own_paths": True,
        "constant_gates": True,
        "weighting": {"rule": "equal"},
    }
    assert check_sections(changed("train", "emm", **keys)) is None


def test_a_model_that_does_not_exist_is_named() -> None:
    params = replace(load_params(ROOT / "params.yaml"), baselines=("mmeo",))
    with pytest.raises(ParamsError, match="no section is called 'mmeo'; did you mean 'mmoe'"):
        check_sections(params)


def test_a_model_of_a_funnel_needs_one_in_the_datasets_block() -> None:
    params = load_params(ROOT / "params.yaml")
    ali = replace(params, datasets=("ali-ccp",), baselines=("esmm", "escm2", "stem"))
    assert check_sections(ali) is None
    block = params.dataset("ali-ccp")
    bare = replace(block, preprocess=replace(block.preprocess, funnel=()))
    with pytest.raises(ParamsError) as error:
        check_sections(replace(ali, blocks={**params.blocks, "ali-ccp": bare}))
    assert str(error.value).count("needs a funnel") == 2
    assert "where: ali-ccp.preprocess.funnel in params.yaml" in str(error.value)


def test_what_the_data_decides_is_in_no_section() -> None:
    params = replace(load_params(ROOT / "params.yaml"), datasets=("ali-ccp",), baselines=("esmm",))
    block = params.dataset("ali-ccp")
    train = {**block.paper.train, "esmm": {**block.paper.train["esmm"], "funnel": [0, 1]}}
    blocks = {"ali-ccp": replace(block, paper=replace(block.paper, train=train))}
    with pytest.raises(ParamsError, match=r"esmm\.funnel: unknown key"):
        check_sections(replace(params, blocks=blocks))
