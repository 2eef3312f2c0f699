"""Pools in which tasks have several outputs: random ones, outside models, and wrong numbers."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from emm.core.errors import DecompositionError, ModelFileError
from emm.fusion.build_pool import build_pool
from emm.fusion.pool import Pool, load_pool, save_pool
from emm.fusion.trained_models import TrainedNetwork, TrainedTrees
from emm.models.single_task import SingleTask
from emm.outside.factories import trusting
from emm.outside.settings import OutsideModel
from tests.fusion.conftest import INPUTS, SCHEMA, STRUCTURES, pool_of_kind, random_trees, unsettle
from tests.fusion.entries import load
from tests.fusion.fused import build, mean_logits, member_logits, outputs_of, rows
from tests.fusion.native import predictions, save_native
from tests.fusion.outside import Deep, of_three_classes

FACTORY = "tests.fusion.outside:of_three_classes"
DEEP = "tests.fusion.outside:Deep"
TASKS = ("t0", "t1")
OUTPUTS = (3, 1)


def network(name: str, task: int, outputs: int) -> TrainedNetwork:
    arguments = STRUCTURES[name] | ({"outputs": [outputs]} if outputs > 1 else {})
    model = SingleTask(INPUTS, **arguments)
    unsettle(model)
    return TrainedNetwork(
        f"{name}/t{task}", task, model.eval(), "single_task", arguments, "tower", ""
    )


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    """Tasks of one to four outputs with networks, trees or both."""
    outputs = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    names = [f"t{task}" for task in range(len(outputs))]
    torch.manual_seed(draw(st.integers(0, 99)))
    networks, trees = [], []
    for task, count in enumerate(outputs):
        kinds = draw(st.sets(st.sampled_from(["narrow", "wide", "trees"]), min_size=1))
        if task == 0:
            kinds = {*kinds, "narrow"}
        networks += [network(kind, task, count) for kind in sorted(kinds - {"trees"})]
        if "trees" in kinds:
            model = random_trees(draw(st.integers(1, 4)), task, task, outputs)
            trees.append(TrainedTrees(f"trees/t{task}", task, model, ""))
    return build_pool(networks, trees, INPUTS, names, SCHEMA, 0, outputs=outputs)


@settings(deadline=None, max_examples=12)
@given(pools(), st.sampled_from(["aligned", "ensemble"]), st.integers(1, 5))
def test_before_training_every_pool_is_the_plain_average_of_its_members(
    pool: Pool, variant: str, count: int
) -> None:
    dense, sparse = rows(count)
    dense = dense.double()
    logits = build(pool, variant).double().eval()(dense, sparse)
    torch.testing.assert_close(logits, mean_logits(pool, dense, sparse))


def test_a_stored_pool_has_the_same_members(tmp_path: Path) -> None:
    pool = pool_of_kind(3, "classes")
    save_pool(pool, tmp_path)
    again = load_pool(tmp_path, SCHEMA)
    assert outputs_of(again) == (1, 3, 2)
    found, expected = (member_logits(each, *rows(4)) for each in (again, pool))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("members", [["narrow"], ["trees-1", "wide"]], ids=str)
def test_selected_members_are_fused(members: Sequence[str]) -> None:
    pool = pool_of_kind(3, "classes").select(members)
    logits = build(pool).eval()(*rows(4))
    torch.testing.assert_close(logits, mean_logits(pool, *rows(4)))


@pytest.fixture
def three_classes(tmp_path: Path) -> OutsideModel:
    """A network from outside for the first task."""
    torch.manual_seed(0)
    model = of_three_classes(INPUTS)
    unsettle(model)
    save_file(model.state_dict(), tmp_path / "outside.safetensors")
    return OutsideModel("t0", factory=FACTORY, weights=str(tmp_path / "outside.safetensors"))


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_outside_models_of_classes_join_a_pool(
    three_classes: OutsideModel, tmp_path: Path, library: str
) -> None:
    path = save_native(tmp_path, library, classes=3)
    entries = {"network": three_classes, "boosted": OutsideModel("t0", model=str(path))}
    with trusting([FACTORY]):
        found = load(entries, outputs=OUTPUTS[:2])
        (outside,), (grown,) = found.networks, found.trees
        own = [network("narrow", task, OUTPUTS[task]) for task in range(2)]
        pool = build_pool([*own, outside], [grown], INPUTS, TASKS, SCHEMA, 0, outputs=OUTPUTS)
        x = rows(200)
        logits = build(pool).eval()(*x)
    members = [own[0].model(*x), outside.model(*x), torch.tensor(predictions(path)).float()]
    torch.testing.assert_close(logits[:, :3], sum(members) / 3, atol=1e-5, rtol=1e-5)


def test_outside_trees_of_another_number_of_classes_are_an_error(tmp_path: Path) -> None:
    entry = OutsideModel("t0", model=str(save_native(tmp_path, "lightgbm", classes=4)))
    with pytest.raises(ModelFileError, match="isn't a classifier of 3 classes"):
        load({"boosted": entry}, outputs=OUTPUTS[:2])


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (0, r"got: .*\[rows, 1\](.|\n)*\[rows, 3\], one column per class of t0"),
        (1, r"got: .*\[rows, 3\](.|\n)*\[rows, 1\], the logit of t1"),
    ],
)
def test_a_network_with_other_outputs_than_its_task_is_an_error(task: int, message: str) -> None:
    own = [network("narrow", number, OUTPUTS[number]) for number in range(2)]
    wrong = TrainedNetwork("odd", task, Deep(INPUTS, OUTPUTS[1 - task]), "", {}, None, "")
    with pytest.raises(DecompositionError, match=f"odd doesn't fit its task(.|\n)*{message}"):
        build_pool([*own, wrong], [], INPUTS, TASKS, SCHEMA, 0, outputs=OUTPUTS)


def test_trees_with_other_outputs_than_their_task_are_an_error() -> None:
    own = [network("narrow", number, OUTPUTS[number]) for number in range(2)]
    trees = TrainedTrees("gbdt/t0", 0, random_trees(2, 0, 0), "")
    with pytest.raises(DecompositionError, match="gbdt/t0 doesn't fit its task"):
        build_pool(own, [trees], INPUTS, TASKS, SCHEMA, 0, outputs=OUTPUTS)


def test_a_description_with_trees_of_other_outputs_is_damaged() -> None:
    pool = pool_of_kind(3, "classes")
    with pytest.raises(ModelFileError, match="trees don't have the outputs"):
        build(pool, outputs=(1, 2, 2))
