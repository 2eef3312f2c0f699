from pathlib import Path

import pytest
import torch
from torch import Tensor

from emm.core.errors import DecompositionError
from emm.data.tables.folds import folds_of
from emm.fusion.cached_predictions import CACHED_PREDICTIONS
from emm.fusion.decompose import decompose
from emm.fusion.pool import Pool, load_pool
from emm.fusion.settings import FusionSettings
from emm.training.store import load_model, load_weights
from tests.training.tiny import IDENTITY, TASKS, fusion, make_context, train_members

CONTEXT = make_context()
LEVELS = 2


def pools(
    folder: Path, how: FusionSettings, *structures: str, seeds: tuple[int, ...] = (0,)
) -> Path:
    """Train the members, and decompose them."""
    members = train_members(folder / "models", CONTEXT, how, structures, seeds)
    decompose(folder / "pool", CONTEXT, *members, how, seeds)
    return folder / "pool"


def read(folder: Path, seed: int = 0) -> tuple[Pool, dict[str, Tensor]]:
    stored = folder / f"seed-{seed}"
    return load_pool(stored, IDENTITY), load_weights(stored / CACHED_PREDICTIONS)


def shares(folder: Path, task: int, dense: Tensor, sparse: Tensor, levels: int = LEVELS) -> Tensor:
    """Shares of the stored trees of one task, by level."""
    model, _ = load_model(folder, IDENTITY)
    return model.get_submodule(f"ensembles.{task}").shares(dense, sparse, levels).float()


def logits(folder: Path, dense: Tensor, sparse: Tensor) -> Tensor:
    model, _ = load_model(folder, IDENTITY)
    with torch.inference_mode():
        return model(dense, sparse)


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pools(tmp_path_factory.mktemp("folds"), fusion("out-of-fold"), "narrow", "wide")


def test_a_pool_of_networks_and_trees_is_written_for_every_seed(tmp_path: Path) -> None:
    folder = pools(tmp_path, fusion("train"), "narrow", seeds=(0, 2))
    found = {seed: read(folder, seed) for seed in (0, 2)}
    for seed, (pool, _) in found.items():
        assert pool.seed == seed
        assert [member.name for member in pool.members.networks] == ["narrow/t0", "narrow/t1"]
        assert [member.name for member in pool.members.trees] == ["gbdt/t0", "gbdt/t1"]
    key = "networks.0.tower.layers.0.weight"
    assert not torch.equal(found[0][0].tensors[key], found[2][0].tensors[key])


@pytest.mark.parametrize("fit_on", ["train", "held-out"])
def test_cached_predictions_of_trees_are_in_sample(tmp_path: Path, fit_on: str) -> None:
    pool, cached = read(pools(tmp_path, fusion(fit_on), "narrow"))
    levels = len(pool.members.networks[0].levels)
    splits = {"train": CONTEXT.train, "validation": CONTEXT.validation}
    assert set(cached) == {f"{split}/gbdt/{task}" for split in splits for task in TASKS}
    for split, table in splits.items():
        for number, task in enumerate(TASKS):
            stored = tmp_path / "models/gbdt/seed-0"
            expected = shares(stored, number, table.dense, table.sparse, levels)
            torch.testing.assert_close(cached[f"{split}/gbdt/{task}"], expected)


def test_without_trees_nothing_is_cached(tmp_path: Path) -> None:
    how = fusion("train", trees=())
    networks, _ = train_members(tmp_path / "models", CONTEXT, how, ("narrow",))
    decompose(tmp_path / "pool", CONTEXT, networks, {}, how, (0,))
    pool, cached = read(tmp_path / "pool")
    assert (len(pool.members.networks), pool.members.trees, cached) == (2, (), {})


def test_out_of_fold_predictions_come_from_trees_that_have_not_seen_the_row(folds: Path) -> None:
    _, cached = read(folds)
    fold = folds_of(CONTEXT.train, 3, seed=0)
    for number in range(3):
        rows = CONTEXT.train.rows((fold == number).nonzero().squeeze(1))
        for task, name in enumerate(TASKS):
            stored = folds.parent / f"models/gbdt/seed-0/fold-{number}"
            expected = shares(stored, task, rows.dense, rows.sparse)
            found = cached[f"out-of-fold/gbdt/{name}"][fold == number]
            torch.testing.assert_close(found, expected)


def test_offsets_correct_networks_to_the_prediction_of_the_folds_network(folds: Path) -> None:
    _, cached = read(folds)
    fold = folds_of(CONTEXT.train, 3, seed=0)
    for number in range(3):
        rows = CONTEXT.train.rows((fold == number).nonzero().squeeze(1))
        for structure in ("narrow", "wide"):
            for name in TASKS:
                seed = folds.parent / f"models/{structure}/seed-0"
                own = logits(seed / name, rows.dense, rows.sparse)
                unseen = logits(seed / f"fold-{number}" / name, rows.dense, rows.sparse)
                found = cached[f"out-of-fold/{structure}/{name}"][fold == number]
                torch.testing.assert_close(found, unseen - own)
                assert found.any()


@pytest.mark.parametrize("split", ["train", "validation"])
def test_in_sample_predictions_are_cached_too(folds: Path, split: str) -> None:
    _, cached = read(folds)
    own = {key for key in cached if key.startswith(f"{split}/")}
    assert own == {f"{split}/gbdt/t0", f"{split}/gbdt/t1"}
    table = {"train": CONTEXT.train, "validation": CONTEXT.validation}[split]
    for number, name in enumerate(TASKS):
        stored = folds.parent / "models/gbdt/seed-0"
        expected = shares(stored, number, table.dense, table.sparse)
        torch.testing.assert_close(cached[f"{split}/gbdt/{name}"], expected)


def test_the_pool_holds_the_weights_of_the_main_models(folds: Path) -> None:
    pool, _ = read(folds)
    stored = load_weights(folds.parent / "models/narrow/seed-0/t0/model.safetensors")
    tower = pool.tensors_of("networks.0.tower")
    assert torch.equal(tower["layers.0.weight"], stored["tower.0.weight"])


def test_networks_of_different_widths_need_an_adapter(tmp_path: Path) -> None:
    members = train_members(tmp_path / "models", CONTEXT, fusion(), ("narrow", "apart"))
    with pytest.raises(DecompositionError):
        decompose(tmp_path / "pool", CONTEXT, *members, fusion(), (0,))
    decompose(tmp_path / "pool", CONTEXT, *members, fusion(adapter="linear"), (0,))
    pool, _ = read(tmp_path / "pool")
    ends = {member.name: member.widths[-1] for member in pool.members.networks}
    assert (ends["narrow/t0"], ends["apart/t0"]) == (3, 5)
