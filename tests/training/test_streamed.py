"""Training and prediction with streamed rows equal those with rows in memory."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from emm.data.tables.folds import without_fold
from emm.data.tables.stream import Stream
from emm.evaluation.evaluate import evaluate
from emm.fusion.decompose import decompose
from emm.fusion.settings import Start
from emm.training.context import TrainingContext, open_context
from emm.training.fit import epoch_before_training, fit, predict, validation_scores
from emm.trees.gbdt import fit as boost
from emm.trees.train import in_memory, train_trees
from tests.data.tables.streamed import stream
from tests.fusion.fusing import GATES, numbers, settings, train
from tests.training.fitting import TRAIN, VALIDATION, Linear, mmoe, schedule
from tests.training.tiny import (
    BOOSTING,
    IDENTITY,
    fusion,
    make_context,
    save_processed,
    train_members,
    training,
)

WEIGHTED = replace(TRAIN, weights=torch.rand(len(TRAIN)) + 0.5)


@pytest.fixture
def data(tmp_path: Path) -> Stream:
    return stream(WEIGHTED, tmp_path / "train.parquet", window=90, block=20)


def test_full_batches_lead_to_the_same_weights(data: Stream) -> None:
    found = []
    for rows in (WEIGHTED, data):
        model = Linear()
        history = fit(model, rows, VALIDATION, schedule(batch_size=len(TRAIN)), seed=0)
        found.append((history[-1].train_loss, model.layer.weight))
    (held, weights), (streamed, others) = found
    assert len(list(data.shuffled(len(TRAIN), torch.Generator()))) == 1
    assert streamed == pytest.approx(held, rel=1e-6)
    torch.testing.assert_close(weights, others)


def test_another_order_of_rows_learns_equally_well(data: Stream) -> None:
    best = []
    for rows in (WEIGHTED, data):
        history = fit(mmoe(), rows, VALIDATION, schedule(max_epochs=15, patience=15), seed=0)
        best.append(max(epoch.mean_score for epoch in history))
    assert best[1] == pytest.approx(best[0], abs=0.01)


def test_the_same_seed_gives_the_same_bits(data: Stream) -> None:
    first, again, other = mmoe(), mmoe(), mmoe()
    for model, seed in ((first, 0), (again, 0), (other, 1)):
        fit(model, data, VALIDATION, schedule(), seed=seed)
    pairs = zip(first.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.front.table.weight, other.front.table.weight)


@pytest.mark.parametrize("rows", [65_536, 37])
def test_predictions_and_scores_are_the_same_bits(
    data: Stream, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr("emm.training.fit.EVALUATION_ROWS", rows)
    model = mmoe()
    assert torch.equal(predict(model, data), predict(model, WEIGHTED))
    assert validation_scores(model, data) == validation_scores(model, WEIGHTED)
    assert epoch_before_training(model, data, data) == epoch_before_training(
        model, WEIGHTED, WEIGHTED
    )


def test_a_fold_is_left_out_of_a_stream(data: Stream) -> None:
    model, twin = Linear(), Linear()
    for one, rows in ((model, data), (twin, WEIGHTED)):
        part = without_fold(rows, 1, 3, seed=0)
        fit(one, part, VALIDATION, schedule(max_epochs=2, batch_size=1000), seed=0)
    torch.testing.assert_close(model.layer.weight, twin.layer.weight)


def test_regressions_are_scored_by_r_squared(tmp_path: Path) -> None:
    labels = torch.stack([TRAIN.labels[:, 0].float(), TRAIN.dense.sum(dim=1)], dim=1)
    mixed = replace(TRAIN, labels=labels, kinds=("binary", "regression"))
    data = stream(mixed, tmp_path / "mixed.parquet", window=90, block=20)
    model = Linear()
    torch.nn.init.ones_(model.layer.weight)
    torch.nn.init.zeros_(model.layer.bias)
    for rows in (mixed, data):
        assert validation_scores(model, rows)[1] == pytest.approx(1.0)
        assert validation_scores(model, rows)[0] == validation_scores(model, TRAIN)[0]
    assert epoch_before_training(model, data, data) == epoch_before_training(model, mixed, mixed)


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streamed") / "processed"
    save_processed(folder)
    shutil.copy(folder / "validation.parquet", folder / "test.parquet")
    return folder


ROW = 4 * 3 + 2
TINY = 2 * 2 * 31 * ROW / 2**30  # two splits, two windows each of 31 rows


def streamed(processed: Path) -> TrainingContext:
    context = open_context(processed, "tuned", training(), memory_gib=TINY)
    assert isinstance(context.train, Stream)
    assert isinstance(context.validation, Stream)
    return context


def test_a_pool_predicts_the_same_for_streamed_rows(processed: Path, tmp_path: Path) -> None:
    held, how = open_context(processed, "tuned", training()), fusion("out-of-fold")
    members = train_members(tmp_path, held, how)
    for name, context in (("held", held), ("streamed", streamed(processed))):
        decompose(tmp_path / name, context, *members, how, (0,))
    found, wanted = (
        load_file(tmp_path / name / "seed-0/given.safetensors") for name in ("streamed", "held")
    )
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


@pytest.mark.parametrize("fit_on", ["out-of-fold", "held-out"])
def test_a_fusion_learns_on_a_stream_with_cached_predictions(
    processed: Path, tmp_path: Path, fit_on: str
) -> None:
    held, how = replace(make_context(), schema_sha256=IDENTITY), fusion(fit_on)
    rows = replace(streamed(processed), schema_sha256=IDENTITY)
    decompose(tmp_path / "pool", held, *train_members(tmp_path, held, how), how, (0,))
    only_gates = settings(start=Start(towers="frozen"))
    runs = [
        train(
            tmp_path / name,
            tmp_path / "pool",
            only_gates,
            arguments=GATES,
            rows=how,
            context=context,
        )[1]
        for name, context in (("held", held), ("streamed", rows))
    ]
    assert numbers(runs[0]) == numbers(runs[1]) == [0, 1, 2]
    assert runs[0]["epochs"][0] == runs[1]["epochs"][0]


def test_a_model_gets_the_same_scores(processed: Path, tmp_path: Path) -> None:
    context = open_context(processed, "tuned", training())
    train_members(tmp_path, context, fusion())
    for name, gib in (("held", None), ("streamed", TINY)):
        (tmp_path / name).mkdir()
        evaluate(
            tmp_path / "narrow",
            processed,
            tmp_path / name,
            name="narrow",
            seeds=(0,),
            bins=5,
            device="cpu",
            threads=1,
            deterministic=False,
            memory_gib=gib,
        )
    for file in ("metrics.json", "predictions.safetensors"):
        contents = [(tmp_path / name / file).read_bytes() for name in ("held", "streamed")]
        assert contents[0] == contents[1]


def test_trees_with_enough_memory_are_the_same(tmp_path: Path) -> None:
    held = make_context()
    path = tmp_path / "train.parquet"
    rows = replace(held, train=stream(held.train, path, window=300, block=20))
    for name, context in (("held", held), ("streamed", rows)):
        train_trees(tmp_path / name, "gbdt", context, BOOSTING, (0,), fusion("out-of-fold"))
    for part in ("seed-0", "seed-0/fold-1"):
        files = [tmp_path / name / part / "model.safetensors" for name in ("held", "streamed")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_trees_without_enough_memory_report_that_they_learn_on_a_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = make_context()
    data = stream(context.train, tmp_path / "train.parquet", window=200)  # 400 rows, 4 copies
    sample = in_memory(data, "gbdt", "train", seed=3)
    assert capsys.readouterr().err == (
        "gbdt uses a sample of train, 100 of 150 rows, to fit memory\n"
    )
    expected, _ = boost(sample, context.validation, context.inputs, BOOSTING, seed=3)
    train_trees(tmp_path, "gbdt", replace(context, train=data), BOOSTING, (3,), fusion())
    stored = load_file(tmp_path / "seed-3/model.safetensors")
    assert all(torch.equal(stored[key], value) for key, value in expected.state_dict().items())
    assert json.loads((tmp_path / "history.json").read_text())["runs"][0]["seed"] == 3
