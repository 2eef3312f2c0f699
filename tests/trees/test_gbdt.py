from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_info

from emm.core.errors import DataError, ModelFileError
from emm.data.tables.rows import RowTensors
from emm.metrics.ranking import auc
from emm.nn.inputs import Inputs
from emm.nn.losses import task_losses
from emm.trees.gbdt import GradientBoosting, fit, grow
from emm.trees.history import BoostingHistory
from emm.trees.settings import ScikitLearnSettings
from tests.trees.boosted import Trained

INPUTS = Inputs(dense=2, cardinalities=(6, 400))
BOOSTING = ScikitLearnSettings(
    learning_rate=0.1,
    max_iterations=40,
    max_leaf_nodes=8,
    min_samples_leaf=10,
    l2_regularization=0.0,
    patience=5,
)


def make_rows(rows: int, seed: int) -> RowTensors:
    """Rows of two tasks that depend on a dense value and a set of ids, with noise."""
    generator = torch.Generator().manual_seed(seed)
    dense = torch.rand(rows, 2, generator=generator)
    sparse = torch.stack(
        [torch.randint(size, (rows,), generator=generator) for size in INPUTS.cardinalities], dim=1
    )
    noise = torch.randn(rows, 2, generator=generator)
    score = torch.stack([dense[:, 0] * 3 + (sparse[:, 0] % 2), sparse[:, 1] / 80], dim=1)
    labels = score + noise > score.median(dim=0).values
    return RowTensors(dense, sparse.int(), labels.to(torch.uint8))


TRAIN, VALIDATION = make_rows(800, seed=0), make_rows(400, seed=1)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return fit(TRAIN, VALIDATION, INPUTS, BOOSTING, seed=0)


def at(history: BoostingHistory, iteration: int) -> tuple[float, float]:
    (found,) = (each for each in history.iterations if each.iteration == iteration)
    return found.train_loss, found.score


@pytest.mark.parametrize("task", [0, 1])
def test_the_kept_trees_have_the_auc_of_the_best_iteration(trained: Trained, task: int):
    model, histories = trained
    logits = model.decision(VALIDATION.dense, VALIDATION.sparse)
    expected = auc(logits[:, task], VALIDATION.labels[:, task])
    assert at(histories[task], histories[task].best_iteration)[1] == pytest.approx(
        expected, abs=1e-12
    )


@pytest.mark.parametrize("task", [0, 1])
def test_the_train_loss_is_the_mean_log_loss(trained: Trained, task: int):
    model, histories = trained
    logits = model.decision(TRAIN.dense, TRAIN.sparse)
    expected = float(task_losses(logits, TRAIN.labels.double())[task])
    assert at(histories[task], histories[task].best_iteration)[0] == pytest.approx(
        expected, abs=1e-12
    )


@pytest.mark.parametrize("task", [0, 1])
def test_boosting_stops_patience_trees_after_the_best(trained: Trained, task: int):
    history = trained[1][task]
    assert history.iterations[-1].iteration == history.best_iteration + BOOSTING.patience


@pytest.mark.parametrize("task", [0, 1])
def test_no_recorded_iteration_beats_the_best(trained: Trained, task: int):
    history = trained[1][task]
    assert max(each.score for each in history.iterations) == at(history, history.best_iteration)[1]


def test_trees_learn_from_dense_and_sparse_columns(trained: Trained):
    assert all(at(history, history.best_iteration)[1] > 0.75 for history in trained[1])


def test_the_history_has_every_tenth_iteration():
    slow = ScikitLearnSettings(0.01, 25, 4, 10, 0.0, patience=25)
    _, (history, _) = fit(TRAIN, VALIDATION, INPUTS, slow, seed=0)
    shown = [each.iteration for each in history.iterations]
    assert shown == sorted({10, 20, 25, history.best_iteration})


def test_the_same_seed_gives_the_same_bytes(trained: Trained):
    model, histories = trained
    again, same_histories = fit(TRAIN, VALIDATION, INPUTS, BOOSTING, seed=0)
    assert (again.arguments(), same_histories) == (model.arguments(), histories)
    assert all(torch.equal(a, b) for a, b in zip(again.buffers(), model.buffers(), strict=True))


def test_a_stored_model_predicts_the_same(trained: Trained, tmp_path: Path):
    model, _ = trained
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    loaded = GradientBoosting(INPUTS, 2, **model.arguments())
    loaded.load_state_dict(load_file(tmp_path / "model.safetensors"))
    rows = VALIDATION.dense, VALIDATION.sparse
    assert torch.equal(loaded(*rows), model(*rows))


def test_each_finished_task_is_reported():
    reported: list[float] = []
    quick = ScikitLearnSettings(0.1, 2, 4, 10, 0.0, patience=1)

    def report(done: float, note: str = "") -> None:
        reported.append(done)

    fit(TRAIN, VALIDATION, INPUTS, quick, seed=0, report=report)
    assert reported == [1, 2]


@pytest.mark.parametrize("split", ["train", "validation"])
def test_labels_of_one_class_are_an_error(split: str):
    splits = {"train": TRAIN, "validation": VALIDATION}
    rows = splits[split]
    labels = rows.labels.clone()
    labels[:, 1] = 0
    splits[split] = RowTensors(rows.dense, rows.sparse, labels)
    with pytest.raises(DataError, match=f"task 1 in {split}"):
        fit(splits["train"], splits["validation"], INPUTS, BOOSTING, seed=0)


def tree_counts(model: GradientBoosting) -> list[int]:
    return [sizes["trees"] for sizes in model.arguments()["ensembles"]]


def test_grow_makes_the_trees_of_the_fit(
    trained: Trained,
):
    model, histories = trained
    twin = grow(TRAIN, INPUTS, BOOSTING, [history.best_iteration for history in histories], seed=0)
    assert twin.arguments() == model.arguments()
    assert all(torch.equal(a, b) for a, b in zip(twin.buffers(), model.buffers(), strict=True))


def test_fewer_grown_trees_are_the_first_trees_of_the_fit(trained: Trained):
    cut = deepcopy(trained[0])
    for ensemble, count in zip(cut.ensembles, [3, 1], strict=True):
        ensemble.starts = ensemble.starts[:count]
    twin = grow(TRAIN, INPUTS, BOOSTING, [3, 1], seed=0)
    assert tree_counts(twin) == [3, 1]
    rows = VALIDATION.dense, VALIDATION.sparse
    torch.testing.assert_close(twin.decision(*rows), cut.decision(*rows))


def test_grow_may_exceed_the_limit_of_a_fit():
    quick = ScikitLearnSettings(0.1, 2, 4, 10, 0.0, patience=1)
    assert tree_counts(grow(TRAIN, INPUTS, quick, [4, 3], seed=0)) == [4, 3]


def test_growing_on_labels_of_one_class_is_an_error():
    labels = torch.zeros_like(TRAIN.labels)
    with pytest.raises(DataError, match="task 0 in train"):
        grow(RowTensors(TRAIN.dense, TRAIN.sparse, labels), INPUTS, BOOSTING, [1, 1], seed=0)


def weighted(weights: torch.Tensor) -> list[GradientBoosting]:
    """A fitted model and a grown one, on rows with these weights."""
    train, quick = (
        replace(TRAIN, weights=weights),
        ScikitLearnSettings(0.1, 2, 4, 10, 0.0, patience=1),
    )
    fitted, _ = fit(train, VALIDATION, INPUTS, quick, seed=0)
    return [fitted, grow(train, INPUTS, quick, [2, 2], seed=0)]


def test_the_baseline_is_the_weighted_log_odds():
    weights = 1 + 3 * TRAIN.labels[:, 0].float()
    for model in weighted(weights):
        for task, ensemble in enumerate(model.ensembles):
            share = (weights * TRAIN.labels[:, task]).sum() / weights.sum()
            expected = torch.logit(share.double()).item()
            assert ensemble.baseline.item() == pytest.approx(expected, rel=1e-5)


def test_equal_weights_change_nothing():
    _, equal = weighted(torch.ones(len(TRAIN)))
    rows = VALIDATION.dense, VALIDATION.sparse
    none = grow(TRAIN, INPUTS, ScikitLearnSettings(0.1, 2, 4, 10, 0.0, patience=1), [2, 2], seed=0)
    torch.testing.assert_close(equal.decision(*rows), none.decision(*rows))


STUMP_INPUTS = Inputs(dense=1, cardinalities=(3,))
STUMP = {"trees": 1, "nodes": 3, "bitsets": 0, "depth": 1}


def stumps(tasks: int) -> GradientBoosting:
    """A model that predicts t + 10 for task t if dense <= 0.5, else t + 20."""
    model = GradientBoosting(STUMP_INPUTS, tasks, ensembles=[STUMP] * tasks)
    for task in range(tasks):
        ensemble = model.get_submodule(f"ensembles.{task}")
        state = {
            "threshold": torch.tensor([0.5, 0.0, 0.0]),
            "left": torch.tensor([1, 1, 2]),
            "right": torch.tensor([2, 1, 2]),
            "bitset": torch.tensor([-1, -1, -1]),
            "value": torch.tensor([0.0, 10.0, 20.0]),
            "baseline": torch.tensor(float(task)),
        }
        ensemble.load_state_dict(state, strict=False)
    return model


@pytest.mark.parametrize("tasks", [1, 2, 3, 4])
@pytest.mark.parametrize("rows", [1, 5])
def test_each_task_has_its_own_trees(tasks: int, rows: int):
    dense = torch.tensor([0.0, 1.0, 0.5, 0.51, -3.0])[:rows, None]
    leaves = torch.tensor([10.0, 20.0, 10.0, 20.0, 10.0])[:rows, None]
    logits = stumps(tasks)(dense, torch.zeros(rows, 1, dtype=torch.int32))
    assert torch.equal(logits, leaves + torch.arange(tasks))


def test_arguments_build_a_model_that_loads_the_state():
    model = stumps(2)
    loaded = GradientBoosting(STUMP_INPUTS, 2, **model.arguments())
    loaded.load_state_dict(model.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(loaded.buffers(), model.buffers(), strict=True))


def test_a_wrong_number_of_ensembles_is_an_error():
    with pytest.raises(ModelFileError, match="expected: 3, one per task"):
        GradientBoosting(STUMP_INPUTS, 3, ensembles=[STUMP] * 2)


@pytest.mark.parametrize("threads", [1, 3])
def test_scikit_learn_boosts_with_the_threads_of_the_setting(
    threads: int, monkeypatch: pytest.MonkeyPatch
):
    class StartedError(Exception):
        """Boosting starts: the rest would take minutes on busy processors."""

    def start(*_arguments, **_more):
        pools = [pool for pool in threadpool_info() if pool["user_api"] == "openmp"]
        raise StartedError({pool["num_threads"] for pool in pools})

    monkeypatch.setattr(HistGradientBoostingClassifier, "fit", start)
    with pytest.raises(StartedError) as first:
        fit(TRAIN, VALIDATION, INPUTS, BOOSTING, seed=0, threads=threads)
    with pytest.raises(StartedError) as second:
        grow(TRAIN, INPUTS, BOOSTING, [3, 3], seed=0, threads=threads)
    assert first.value.args == second.value.args == ({threads},)
