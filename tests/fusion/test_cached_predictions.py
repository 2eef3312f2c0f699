from pathlib import Path

import pytest
import torch

from emm.core.errors import ModelFileError
from emm.data.tables.rows import RowTensors
from emm.fusion.cached_predictions import (
    CACHED_PREDICTIONS,
    load_cached_predictions,
    save_cached_predictions,
)
from emm.fusion.out_of_fold import in_sample_predictions
from emm.fusion.pool import Pool
from emm.fusion.trained_models import TrainedTrees
from tests.fusion.conftest import pool_of_kind
from tests.fusion.fused import build, ensemble, outputs_of, rows

ROWS, LEVELS = 6, 3


def predictions(pool: Pool, first: float = 0.0) -> dict[str, torch.Tensor]:
    """Predictions of each tree ensemble, and of the last network."""
    found = {
        member.name: first + 10 * number + torch.rand(ROWS, LEVELS)
        for number, member in enumerate(pool.members.trees)
    }
    return {**found, pool.members.networks[-1].name: torch.rand(ROWS, 1)}


def test_predictions_are_loaded_in_the_order_of_the_members(mixed: Pool, tmp_path: Path) -> None:
    cached = predictions(mixed)
    save_cached_predictions(tmp_path, {"train": dict(reversed(cached.items()))})
    found = load_cached_predictions(tmp_path, mixed.members, "train", ROWS)
    trees = torch.cat([cached[member.name] for member in mixed.members.trees], dim=1)
    assert torch.equal(found[:, : 3 * LEVELS], trees)
    offsets = found[:, 3 * LEVELS :]
    # Networks without an offset get zero.
    assert not offsets[:, :3].any()
    assert torch.equal(offsets[:, 3:], cached["wide/t1"])


def test_members_of_a_task_of_classes_have_a_column_per_class(tmp_path: Path) -> None:
    pool = pool_of_kind(3, "classes")
    outputs = outputs_of(pool)
    shares = {
        member.name: torch.rand(ROWS, LEVELS * outputs[member.task])
        for member in pool.members.trees
    }
    last = pool.members.networks[-1]
    offset = torch.rand(ROWS, outputs[last.task])
    save_cached_predictions(tmp_path, {"train": {**shares, last.name: offset}})
    found = load_cached_predictions(tmp_path, pool.members, "train", ROWS, outputs)
    zeros = torch.zeros(ROWS, 2 * sum(outputs) - outputs[last.task])
    assert torch.equal(found, torch.cat([*shares.values(), zeros, offset], dim=1))


def test_each_split_has_its_own_predictions(mixed: Pool, tmp_path: Path) -> None:
    splits = {"train": predictions(mixed), "validation": predictions(mixed, first=100.0)}
    save_cached_predictions(tmp_path, splits)
    for split, cached in splits.items():
        found = load_cached_predictions(tmp_path, mixed.members, split, ROWS)
        assert torch.equal(found[:, :LEVELS], cached["trees-0/t1"])
        assert torch.equal(found[:, -1:], cached["wide/t1"])


def test_selected_members_get_only_their_predictions(mixed: Pool, tmp_path: Path) -> None:
    cached = predictions(mixed)
    save_cached_predictions(tmp_path, {"train": cached})
    kept = mixed.select(["wide", "trees-1"])
    found = load_cached_predictions(tmp_path, kept.members, "train", ROWS)
    expected = [cached["trees-1/t0"], torch.zeros(ROWS, 1), cached["wide/t1"]]
    assert torch.equal(found, torch.cat(expected, dim=1))


def test_a_pool_without_trees_gets_zeros(tmp_path: Path, pool: Pool) -> None:
    save_cached_predictions(tmp_path, {"train": {}})
    found = load_cached_predictions(tmp_path, pool.members, "train", ROWS)
    assert torch.equal(found, torch.zeros(ROWS, len(pool.members.networks)))
    x = rows(ROWS)
    model = build(pool).eval()
    assert torch.equal(model(*x, found), model(*x))


@pytest.mark.parametrize("variant", ["paper", "aligned", "ensemble"])
def test_in_sample_predictions_equal_what_the_model_computes(
    mixed: Pool, tmp_path: Path, variant: str
) -> None:
    dense, sparse = rows(ROWS)
    table = RowTensors(dense, sparse, torch.zeros(ROWS, 2, dtype=torch.uint8))
    trees = [
        TrainedTrees(member.name, member.task, ensemble(mixed, number), "")
        for number, member in enumerate(mixed.members.trees)
    ]
    save_cached_predictions(tmp_path, {"train": in_sample_predictions(trees, LEVELS, table)})
    cached = load_cached_predictions(tmp_path, mixed.members, "train", ROWS)
    model = build(mixed, variant).eval()
    assert torch.equal(model(dense, sparse, cached), model(dense, sparse))


def test_trees_without_cached_predictions_are_an_error(mixed: Pool, tmp_path: Path) -> None:
    cached = predictions(mixed)
    del cached["trees-1/t0"]
    save_cached_predictions(tmp_path, {"train": cached})
    with pytest.raises(ModelFileError, match="lacks train/trees-1/t0"):
        load_cached_predictions(tmp_path, mixed.members, "train", ROWS)


def test_a_split_without_cached_predictions_is_an_error(mixed: Pool, tmp_path: Path) -> None:
    save_cached_predictions(tmp_path, {"train": predictions(mixed)})
    with pytest.raises(ModelFileError, match="lacks validation/trees-0/t1"):
        load_cached_predictions(tmp_path, mixed.members, "validation", ROWS)


def test_a_truncated_file_is_an_error(mixed: Pool, tmp_path: Path) -> None:
    save_cached_predictions(tmp_path, {"train": predictions(mixed)})
    file = tmp_path / CACHED_PREDICTIONS
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ModelFileError, match="can't be read"):
        load_cached_predictions(tmp_path, mixed.members, "train", ROWS)
