"""The rows on which a fusion learns, with the cached predictions of the pool."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from emm.core.errors import ParamsError
from emm.data.tables.folds import fold_only, folds_of
from emm.data.tables.rows import RowTensors
from emm.fusion.cached_predictions import load_cached_predictions
from emm.fusion.emm import EMM
from emm.fusion.fuse import fusion_rows
from emm.fusion.pool import Pool
from emm.fusion.rules import fused_faults
from emm.fusion.settings import Start
from emm.fusion.start import load_pool_into
from emm.training.fit import predict
from emm.training.store import load_model
from tests.fusion.fusing import CONTEXT, GATES, settings, train
from tests.training.tiny import IDENTITY, TASKS, fusion

FIT_ON = ("out-of-fold", "train")


@pytest.mark.parametrize(
    ("fit_on", "own", "split_of_train"),
    [
        ("out-of-fold", None, "out-of-fold"),
        ("train", None, "train"),
        ("out-of-fold", "train", "train"),
    ],
)
def test_rows_have_the_cached_predictions_of_the_pool(
    components: Path, tiny_pool: Pool, fit_on: str, own: str | None, split_of_train: str
) -> None:
    folder = components / "seed-0"
    how, own_settings = fusion(fit_on), settings(fit_on=own)
    train, validation = fusion_rows(CONTEXT, folder, tiny_pool, how, own_settings)
    for split, context, table in (
        (split_of_train, CONTEXT.train, train),
        ("validation", CONTEXT.validation, validation),
    ):
        assert table.cached_predictions is not None
        assert torch.equal(
            table.cached_predictions,
            load_cached_predictions(folder, tiny_pool.members, split, len(context)),
        )
        assert torch.equal(table.labels, context.labels)


def test_out_of_fold_and_in_sample_predictions_differ(components: Path, tiny_pool: Pool) -> None:
    folder = components / "seed-0"
    found = [fusion_rows(CONTEXT, folder, tiny_pool, fusion(f), settings()) for f in FIT_ON]
    assert not torch.equal(found[0][0].inputs[2], found[1][0].inputs[2])
    assert torch.equal(found[0][1].inputs[2], found[1][1].inputs[2])


def test_held_out_rows_are_the_first_fold(components: Path, tiny_pool: Pool) -> None:
    folder = components / "seed-0"
    rows, validation = fusion_rows(CONTEXT, folder, tiny_pool, fusion("held-out"), settings())
    whole = load_cached_predictions(folder, tiny_pool.members, "train", len(CONTEXT.train))
    first = folds_of(CONTEXT.train, 3, seed=0) == 0
    assert rows.cached_predictions is not None
    assert torch.equal(rows.dense, fold_only(CONTEXT.train, 0, 3, seed=0).dense)
    assert torch.equal(rows.cached_predictions, whole[first])
    assert len(validation) == len(CONTEXT.validation)


@pytest.mark.parametrize(("fit_on", "blind"), [("held-out", True), ("train", False)])
def test_held_out_ignores_the_labels_of_other_folds(
    tmp_path: Path, components: Path, fit_on: str, blind: bool
) -> None:
    labels = CONTEXT.train.labels.clone()
    labels[folds_of(CONTEXT.train, 3, seed=0) != 0] ^= 1
    altered = replace(CONTEXT, train=replace(CONTEXT.train, labels=labels))
    runs = [
        train(tmp_path / name, components, settings(), context=context, rows=fusion(fit_on))[1]
        for name, context in (("own", CONTEXT), ("altered", altered))
    ]
    assert (runs[0] == runs[1]) is blind


def fold_logits(folder: Path, fold: int, rows: RowTensors) -> list[Tensor]:
    """Logits [N, M] of the models that were trained without a fold, by task."""
    trees, _ = load_model(folder / f"gbdt/seed-0/fold-{fold}", IDENTITY)
    boosted = trees(rows.dense, rows.sparse)
    found = []
    for number, task in enumerate(TASKS):
        paths = [folder / name / f"seed-0/fold-{fold}" / task for name in ("narrow", "wide")]
        networks = [load_model(path, IDENTITY)[0] for path in paths]
        own = [network(rows.dense, rows.sparse) for network in networks]
        found.append(torch.cat([*own, boosted[:, number : number + 1]], dim=1))
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        {"variant": "ensemble"},
        {**GATES, "uniform_gates": False},
        {**GATES, "uniform_gates": False, "constant_gates": True},
    ],
    ids=str,
)
def test_out_of_fold_every_member_is_one_that_has_not_seen_the_row(
    components: Path, tiny_pool: Pool, arguments: dict[str, Any]
) -> None:
    """With all settings that `fused_faults` allows, networks and boosted trees alike."""
    how, own = fusion("out-of-fold"), settings(start=Start(towers="frozen"))
    assert not [*fused_faults("train.emm", how, own, arguments)]
    model = EMM(CONTEXT.inputs, len(TASKS), pool=tiny_pool.describe(), **arguments)
    load_pool_into(model, tiny_pool, own.start)
    rows, _ = fusion_rows(CONTEXT, components / "seed-0", tiny_pool, how, own)
    found = predict(model, rows)
    fold = folds_of(CONTEXT.train, how.folds, seed=0)
    with torch.inference_mode():
        for number in range(how.folds):
            part = CONTEXT.train.rows((fold == number).nonzero().squeeze(1))
            members = fold_logits(components.parent, number, part)
            means = [own.mean(1) for own in members]
            if arguments["variant"] == "aligned":
                read = part.dense if model.front is None else model.front(part.dense, part.sparse)
                weights = [gate(read).softmax(1) for gate in model.fusion.gates]
                means = [(w * own).sum(1) for w, own in zip(weights, members, strict=True)]
            expected = torch.stack(means, dim=1)
            torch.testing.assert_close(found[fold == number], expected, rtol=1e-4, atol=1e-5)


def test_out_of_fold_what_learns_on_hidden_units_is_refused(
    tmp_path: Path, components: Path
) -> None:
    for arguments in ({"variant": "paper", "embedding_dim": 2}, GATES):
        with pytest.raises(ParamsError, match=r"(?s)only the weights .*where: train\.emm"):
            train(
                tmp_path,
                components,
                settings(),
                arguments=arguments,
                rows=fusion("out-of-fold"),
            )
