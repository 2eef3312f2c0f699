from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from emm.data.tables.folds import folds_of, without_fold
from emm.data.tables.rows import RowTensors
from emm.fusion import out_of_fold as module
from emm.fusion.build_pool import build_pool
from emm.fusion.cached_predictions import load_cached_predictions, save_cached_predictions
from emm.fusion.out_of_fold import in_sample_predictions, out_of_fold_predictions
from emm.fusion.trained_models import (
    TrainedNetwork,
    TrainedTrees,
    pipeline_networks,
    pipeline_trees,
)
from tests.fusion.conftest import INPUTS, SCHEMA, save_boosted, save_trained
from tests.fusion.fused import build, rows
from tests.trees.forest import random_ensemble

ROWS, LEVELS, FOLDS, SEED = 50, 3, 4, 7
TASKS = ["t0", "t1"]


def table() -> RowTensors:
    dense, sparse = rows(ROWS)
    dense[:, 0] = torch.arange(ROWS)  # identifies the row
    return RowTensors(dense, sparse, torch.zeros(ROWS, 2, dtype=torch.uint8))


class Scaled(nn.Module):
    """A network whose logit is ``slope`` times the row number."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, dense: Tensor, _sparse: Tensor) -> Tensor:
        assert not self.training
        return self.slope * dense[:, :1]


def network(slope: float) -> TrainedNetwork:
    return TrainedNetwork("tm/t0", 0, Scaled(slope), "", {}, None, "")


def trees(seed: int, name: str = "gbdt/t1") -> TrainedTrees:
    return TrainedTrees(name, 1, random_ensemble(5, 9, seed, INPUTS), "")


def fold_of_rows() -> list[int]:
    return folds_of(table(), FOLDS, SEED).tolist()


def test_in_sample_there_are_shares_of_trees_and_no_offsets() -> None:
    data = table()
    both = [trees(0), trees(1, "lightgbm/t0")]
    predicted = in_sample_predictions(both, LEVELS, data)
    assert list(predicted) == ["gbdt/t1", "lightgbm/t0"]
    for each in both:
        expected = each.model.shares(data.dense, data.sparse, LEVELS).float()
        assert torch.equal(predicted[each.name], expected)


def test_shares_are_those_of_the_trees_of_the_rows_fold() -> None:
    data = table()
    folds = [([], [trees(seed)]) for seed in range(FOLDS)]
    predicted = out_of_fold_predictions([], folds, LEVELS, data, SEED)
    assert list(predicted) == ["gbdt/t1"]
    by_fold = [trees(seed).model.shares(data.dense, data.sparse, LEVELS) for seed in range(FOLDS)]
    expected = torch.stack([by_fold[fold][row] for row, fold in enumerate(fold_of_rows())])
    assert torch.equal(predicted["gbdt/t1"], expected.float())


def test_an_offset_is_the_logit_of_the_folds_network_minus_its_own() -> None:
    folds = [([network(10.0 + fold)], []) for fold in range(FOLDS)]
    predicted = out_of_fold_predictions([network(3.0)], folds, LEVELS, table(), SEED)
    expected = [[(10.0 + fold - 3.0) * row] for row, fold in enumerate(fold_of_rows())]
    assert predicted["tm/t0"].tolist() == expected


def test_no_prediction_comes_from_a_model_that_learned_on_the_row() -> None:
    data = table()
    folds = [([network(10.0 + fold)], []) for fold in range(FOLDS)]
    predicted = out_of_fold_predictions([network(0.0)], folds, LEVELS, data, SEED)["tm/t0"][:, 0]
    for fold in range(FOLDS):
        learned = without_fold(data, fold, FOLDS, SEED).dense[:, 0].tolist()
        rows_of_fold = [row for row in range(1, ROWS) if predicted[row] == (10.0 + fold) * row]
        assert rows_of_fold
        assert not {*learned} & {*rows_of_fold}


def test_networks_predict_in_eval_mode() -> None:
    own = network(1.0)
    own.model.train()
    folds = [([network(2.0)], []) for _ in range(FOLDS)]
    assert out_of_fold_predictions([own], folds, LEVELS, table(), SEED)["tm/t0"].shape == (ROWS, 1)


def test_predictions_do_not_depend_on_the_batch_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folds = [([network(10.0 + fold)], [trees(fold)]) for fold in range(FOLDS)]
    whole = out_of_fold_predictions([network(1.0)], folds, LEVELS, table(), SEED)
    monkeypatch.setattr(module, "ROWS", 7)
    parts = out_of_fold_predictions([network(1.0)], folds, LEVELS, table(), SEED)
    assert parts.keys() == whole.keys()
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def test_an_aligned_model_with_them_starts_as_the_ensemble_of_each_rows_fold(
    tmp_path: Path,
) -> None:
    data = table()
    data.dense[:, 0] /= ROWS
    parts = ["seed-0", *(f"seed-0/fold-{fold}" for fold in range(FOLDS))]
    found = []
    for number, part in enumerate(parts):
        networks = save_trained(tmp_path, 2, ("narrow",), part, number)
        boosted = save_boosted(tmp_path, 2, part=part, seed=10 * number)
        loaded = pipeline_networks(networks, TASKS, SCHEMA, part)
        found.append((loaded, pipeline_trees(boosted, TASKS, SCHEMA, part)))
    own, *folds = found
    pool = build_pool(*own, INPUTS, TASKS, SCHEMA, SEED)
    levels = len(pool.members.networks[0].levels)
    save_cached_predictions(
        tmp_path, {"train": out_of_fold_predictions(own[0], folds, levels, data, SEED)}
    )
    cached = load_cached_predictions(tmp_path, pool.members, "train", ROWS)
    logits = build(pool).eval()(data.dense, data.sparse, cached)
    by_fold = []
    for trained, grown in folds:
        logits_of = [each.model(data.dense, data.sparse) for each in (*trained, *grown)]
        by_fold.append((torch.cat(logits_of[:2], dim=1) + torch.cat(logits_of[2:], dim=1)) / 2)
    expected = torch.stack([by_fold[fold][row] for row, fold in enumerate(fold_of_rows())])
    torch.testing.assert_close(logits, expected)
