"""Members from outside whose scores come with the rows."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from emm.core.errors import ModelFileError, ParamsError
from emm.data.tables.rows import RowTensors
from emm.fusion.emm import EMM
from emm.fusion.fixed_members import pool_faults, without_second_phase
from emm.fusion.pool import load_pool, save_pool
from emm.fusion.scored import load_scored, save_scored, with_scores
from emm.fusion.settings import FusedSettings, Start
from emm.fusion.shares import mean_shares
from tests.fusion.conftest import INPUTS, SCHEMA, pool_of_kind
from tests.fusion.fused import build, moved, rows, states, without_gradient
from tests.fusion.scoring import scoring, without_scores

COUNT = 200
VARIANTS = ("ensemble", "aligned", "paper")


def cached(count: int, levels: int) -> Tensor:
    """All columns that a fusion learns on: shares of trees, offsets of zero, scored columns."""
    found = scoring()
    trees = [tree.shares(*rows(count), levels).float() for tree in build(found.pool).trees.members]
    networks = len(found.pool.members.networks)
    return torch.cat([*trees, torch.zeros(count, networks), found.columns(count)], dim=1)


def test_the_members_are_cut_into_the_same_levels() -> None:
    members = scoring().pool.members
    assert {len(member.levels) for member in members.networks} == {3}
    assert [member.entry for member in members.networks] == [0, 0, 8]
    assert members.scored_names == ("boost", "risk")


@pytest.mark.parametrize("variant", ["ensemble", "aligned"])
def test_before_training_the_logits_are_the_mean_of_the_originals(variant: str) -> None:
    found = scoring()
    model = build(found.pool, variant).eval()
    with torch.inference_mode():
        ours = model(*rows(COUNT), found.columns(COUNT))
    torch.testing.assert_close(ours, found.means(COUNT), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_cached_predictions_give_the_same_as_live_trees(variant: str) -> None:
    found = scoring()
    model = build(found.pool, variant, merge=True).eval()
    with torch.inference_mode():
        live = model(*rows(COUNT), found.columns(COUNT))
        stored = model(*rows(COUNT), cached(COUNT, 3))
    torch.testing.assert_close(live, stored)


@pytest.mark.parametrize("variant", VARIANTS)
def test_without_scores_the_error_names_the_members(variant: str) -> None:
    model = build(scoring().pool, variant)
    for given in (None, torch.zeros(5, 3)):
        with pytest.raises(ModelFileError, match="no scores of boost, risk"):
            model(*rows(5), given)


@pytest.mark.parametrize("variant", ["aligned", "paper"])
def test_everything_that_learns_gets_a_gradient(variant: str) -> None:
    found = scoring()
    model = build(found.pool, variant, zero_merge=False, uniform_gates=False).train()
    model.unfreeze()
    model(*rows(64), found.columns(64)).square().sum().backward()
    assert without_gradient(model) == []


def test_layers_after_the_scored_input_learn_in_the_second_phase() -> None:
    found = scoring()
    model = build(found.pool).train()
    model.unfreeze()
    before = states(model.networks.members[2])
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    model(*rows(64), found.columns(64)).square().mean().backward()
    optimiser.step()
    assert before
    assert moved(model.networks.members[2], before) == [*before]


def test_what_does_not_learn_is_said() -> None:
    said = list(without_second_phase(scoring().pool.members))
    assert said == [
        "gbdt/t0, boost: not learning in the second phase; only networks can",
        "risk: learning from the second layer on; the first is scored once",
    ]
    assert list(without_second_phase(pool_of_kind(2, "networks").members)) == []


@pytest.mark.parametrize(
    "start", [Start(networks="fresh"), Start(embeddings="fresh"), Start(towers="fresh")]
)
def test_networks_from_onnx_do_not_start_fresh(start: Start) -> None:
    settings = FusedSettings(start=start)
    (fault,) = pool_faults("train.emm", scoring().pool.members, settings)
    assert isinstance(fault, ParamsError)
    assert "with risk among the members" in str(fault)
    assert list(pool_faults("train.emm", pool_of_kind(2, "networks").members, settings)) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_stored_pool_is_fused_like_the_one_in_memory(variant: str, tmp_path: Path) -> None:
    found = scoring()
    save_pool(found.pool, tmp_path)
    stored = load_pool(tmp_path, SCHEMA)
    assert json.dumps(stored.describe()) == json.dumps(found.pool.describe())
    ours, theirs = (build(pool, variant).eval() for pool in (found.pool, stored))
    with torch.inference_mode():
        given = (*rows(COUNT), found.columns(COUNT))
        assert torch.equal(ours(*given), theirs(*given))


def test_a_selection_keeps_the_order_of_scored_columns() -> None:
    pool = scoring().pool
    assert pool.select(["risk", "boost", "narrow"]).members.scored_names == ("boost", "risk")
    assert without_scores(pool).members.scored_names == ()


def test_a_pool_without_opaque_members_keeps_its_description() -> None:
    assert set(pool_of_kind(2, "networks").describe()) == {"networks", "trees"}


@pytest.mark.parametrize("width", [-1, 0.5, "8", 100_000])
def test_an_impossible_scored_input_is_refused(width: object) -> None:
    pool = scoring().pool
    tree = pool.describe()
    tree["networks"][2]["arguments"]["width"] = width
    with pytest.raises(ModelFileError, match="risk has an unusable scored input"):
        EMM(INPUTS, 2, variant="paper", pool=tree)


@pytest.mark.filterwarnings("ignore")  # of what torch.compile imports
def test_it_compiles_as_one_graph() -> None:
    found = scoring()
    model = build(found.pool, "paper").eval()
    given = (*rows(16), cached(16, 3))
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(*given), model(*given))


def table(count: int) -> RowTensors:
    return RowTensors(*rows(count), torch.zeros(count, 2, dtype=torch.uint8))


def test_scores_next_to_a_model_come_with_the_rows_of_their_split(tmp_path: Path) -> None:
    found = scoring()
    model = build(found.pool, "ensemble").eval()
    save_scored(tmp_path, {"validation": found.columns(30), "test": found.columns(50)})
    scores = load_scored(tmp_path, model)
    ours = model(*with_scores(model, scores, "test", table(50)).inputs)
    torch.testing.assert_close(ours, found.means(50), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("split", "count"), [("train", 30), ("test", 51)])
def test_rows_without_scores_are_refused(split: str, count: int) -> None:
    model = build(scoring().pool, "ensemble")
    scores = {"validation": torch.zeros(30, 9), "test": torch.zeros(50, 9)}
    with pytest.raises(ModelFileError, match=f"needs the scores of boost, risk for {split}"):
        with_scores(model, scores, split, table(count))


def test_missing_or_foreign_scores_are_refused(tmp_path: Path) -> None:
    model = build(scoring().pool, "ensemble")
    with pytest.raises(ModelFileError, match="can't be read"):
        load_scored(tmp_path, model)
    save_scored(tmp_path, {"test": torch.zeros(50, 8)})
    with pytest.raises(ModelFileError, match="aren't those of the fused model"):
        load_scored(tmp_path, model)


def test_models_without_scored_members_read_nothing(tmp_path: Path) -> None:
    model = build(pool_of_kind(2, "networks"))
    assert load_scored(tmp_path, model) == {}
    rows_of_test = table(5)
    assert with_scores(model, {}, "test", rows_of_test) is rows_of_test


def test_shares_of_an_ensemble_are_equal() -> None:
    found = scoring()
    given = table(40).with_cached_predictions(found.columns(40))
    shares = mean_shares(build(found.pool, "ensemble"), found.pool.members, given)
    assert shares == {
        "narrow/t0": 1 / 3,
        "narrow/t1": 1 / 2,
        "risk": 1 / 3,
        "gbdt/t0": 1 / 3,
        "boost": 1 / 2,
    }


def test_shares_of_aligned_are_the_mean_weights_of_its_gates() -> None:
    found = scoring()
    model = build(found.pool, uniform_gates=False).eval()
    given = table(40).with_cached_predictions(found.columns(40))
    shares = mean_shares(model, found.pool.members, given)
    x = model.front(*rows(40))
    for gate, names in zip(
        model.fusion.gates, [("narrow/t0", "risk", "gbdt/t0"), ("narrow/t1", "boost")], strict=True
    ):
        expected = torch.stack([(gate.weight @ row + gate.bias).softmax(0) for row in x]).mean(0)
        torch.testing.assert_close(torch.tensor([shares[name] for name in names]), expected)


def test_shares_of_paper_are_means_over_its_levels() -> None:
    found = scoring()
    model = build(found.pool, "paper")
    given = table(40).with_cached_predictions(found.columns(40))
    shares = mean_shares(model, found.pool.members, given)
    assert shares["narrow/t0"] + shares["risk"] + shares["gbdt/t0"] == pytest.approx(1)
    assert shares["narrow/t1"] + shares["boost"] == pytest.approx(1)
    assert shares["boost"] != pytest.approx(0.5, abs=1e-4)
