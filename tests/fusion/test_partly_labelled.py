"""From trained members to a fused model, with missing labels and a task of classes."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from emm.data.tables.folds import folds_of, without_fold
from emm.data.tables.rows import RowTensors
from emm.fusion.cached_predictions import CACHED_PREDICTIONS
from emm.fusion.decompose import decompose
from emm.fusion.pool import load_pool
from emm.fusion.settings import Start
from emm.metrics.classes import macro_auc
from emm.metrics.ranking import auc
from emm.training.fit import predict
from emm.training.store import load_description, load_model, load_weights
from emm.trees.gbdt import grow
from tests.fusion.fusing import settings, train
from tests.fusion.partly_labelled import OUTPUTS, make_partly_labelled, train_members
from tests.training.tiny import BOOSTING, IDENTITY, TASKS, fusion

CONTEXT = make_partly_labelled()
LEVELS, FOLDS = 2, 3


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the members, and of the pool in its folder ``pool``."""
    folder, how = tmp_path_factory.mktemp("partly"), fusion("out-of-fold")
    decompose(folder / "pool", CONTEXT, *train_members(folder, CONTEXT, how), how, (0,))
    return folder


def member_logits(folder: Path, rows: RowTensors) -> list[Tensor]:
    """Logits [M, N, C] of the stored members of each task."""
    trees, _ = load_model(folder / "gbdt/seed-0", IDENTITY)
    by_task = trees(rows.dense, rows.sparse).split(OUTPUTS, dim=1)
    found = []
    for task, boosted in zip(TASKS, by_task, strict=True):
        networks = [
            load_model(folder / name / "seed-0" / task, IDENTITY)[0] for name in ("narrow", "wide")
        ]
        with torch.inference_mode():
            own = [network(rows.dense, rows.sparse) for network in networks]
        found.append(torch.stack([*own, boosted]))
    return found


def mean_logits(folder: Path, rows: RowTensors) -> Tensor:
    return torch.cat([own.mean(0) for own in member_logits(folder, rows)], dim=1)


def losses(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of each task over its labelled rows."""
    known = ~labels.isnan()
    binary = binary_cross_entropy_with_logits(logits[known[:, 0], 0], labels[known[:, 0], 0])
    return binary, cross_entropy(logits[known[:, 1], 1:], labels[known[:, 1], 1].long())


def test_members_have_the_outputs_of_their_tasks(models: Path) -> None:
    members = load_pool(models / "pool/seed-0", IDENTITY).members
    assert [member.arguments.get("outputs") for member in members.networks] == [None, [3]] * 2
    assert [member.sizes.get("outputs") for member in members.trees] == [None, 3]


def test_members_predict_all_rows_whether_labelled_or_not(models: Path) -> None:
    cached = load_weights(models / "pool/seed-0" / CACHED_PREDICTIONS)
    rows = {"train": 150, "validation": 120, "out-of-fold": 150}
    for split, count in rows.items():
        assert cached[f"{split}/gbdt/t0"].shape == (count, LEVELS)
        assert cached[f"{split}/gbdt/t1"].shape == (count, 3 * LEVELS)
    assert cached["out-of-fold/wide/t0"].shape == (150, 1)
    assert cached["out-of-fold/wide/t1"].shape == (150, 3)
    assert all(tensor.isfinite().all() for tensor in cached.values())


@pytest.mark.parametrize("fold", range(FOLDS))
def test_out_of_fold_trees_learn_on_the_labelled_rows_outside_of_the_fold(
    models: Path, fold: int
) -> None:
    rows = CONTEXT.train
    main, _ = load_model(models / "gbdt/seed-0", IDENTITY)
    counts = [sizes["trees"] // sizes.get("outputs", 1) for sizes in main.arguments()["ensembles"]]
    without = without_fold(rows, fold, FOLDS, seed=0)
    own = without.labels[:, 1]
    labelled = without.rows((~own.isnan()).nonzero().squeeze(1)).task(1)
    expected = grow(labelled, CONTEXT.inputs, BOOSTING, counts[1:], seed=0)
    inside = folds_of(rows, FOLDS, seed=0) == fold
    shares = expected.get_submodule("ensembles.0").shares(rows.dense, rows.sparse, LEVELS)
    cached = load_weights(models / "pool/seed-0" / CACHED_PREDICTIONS)["out-of-fold/gbdt/t1"]
    assert torch.equal(cached[inside], shares[inside].float())


def test_an_offset_of_a_network_is_that_of_each_class(models: Path) -> None:
    rows = CONTEXT.train
    cached = load_weights(models / "pool/seed-0" / CACHED_PREDICTIONS)["out-of-fold/narrow/t1"]
    own, _ = load_model(models / "narrow/seed-0/t1", IDENTITY)
    for fold in range(FOLDS):
        other, _ = load_model(models / f"narrow/seed-0/fold-{fold}/t1", IDENTITY)
        inside = folds_of(rows, FOLDS, seed=0) == fold
        gap = predict(other, rows) - predict(own, rows)
        torch.testing.assert_close(cached[inside], gap[inside])


def test_epoch_0_is_the_plain_average(models: Path, tmp_path: Path) -> None:
    _, run = train(
        tmp_path, models / "pool", settings(fit_on="train"), context=CONTEXT, rows=fusion("train")
    )
    logits = mean_logits(models, CONTEXT.validation)
    labels = CONTEXT.validation.labels
    known = ~labels.isnan()
    found = run["epochs"][0]
    assert found["auc"]["t0"] == pytest.approx(
        auc(logits[known[:, 0], 0], labels[known[:, 0], 0]), abs=2e-3
    )
    assert found["auc"]["t1"] == pytest.approx(
        macro_auc(logits[known[:, 1], 1:], labels[known[:, 1], 1]), abs=2e-3
    )
    expected = torch.stack(losses(mean_logits(models, CONTEXT.train), CONTEXT.train.labels))
    assert found["train_loss"] == pytest.approx(expected.mean().item(), rel=1e-5)


@pytest.mark.parametrize(
    ("variant", "fit_on"),
    [
        ("aligned", "out-of-fold"),
        ("ensemble", "out-of-fold"),
        ("aligned", "held-out"),
        ("paper", "held-out"),
        ("ensemble", "held-out"),
    ],
)
def test_every_variant_is_trained_stored_and_loaded(
    models: Path, tmp_path: Path, variant: str, fit_on: str
) -> None:
    held = fit_on == "held-out"
    arguments = {"variant": variant, "embedding_dim": 2, "merge": held}
    model, run = train(
        tmp_path,
        models / "pool",
        settings(start=Start(towers="trained" if held else "frozen")),
        arguments=arguments,
        rows=fusion(fit_on),
        context=CONTEXT,
    )
    assert load_description(tmp_path / "seed-0").arguments["outputs"] == [1, 3]
    assert all(epoch["train_loss"] > 0 for epoch in run["epochs"])
    logits = predict(model, CONTEXT.validation)
    assert logits.shape == (120, 4)
    if variant == "ensemble":
        torch.testing.assert_close(logits, mean_logits(models, CONTEXT.validation))


def test_a_model_without_classes_is_stored_without_outputs(
    tmp_path: Path, components: Path
) -> None:
    train(tmp_path, components, settings(), arguments={"variant": "ensemble"})
    assert "outputs" not in load_description(tmp_path / "seed-0").arguments
