"""The rows on which a fusion learns, with the cached predictions of the pool."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emm.data.tables.folds import fold_only, folds_of
from emm.fusion.cached_predictions import load_cached_predictions
from emm.fusion.pool import Pool
from emm.fusion.train import fusion_rows
from tests.fusion.fusing import CONTEXT, settings, train
from tests.training.tiny import fusion

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
