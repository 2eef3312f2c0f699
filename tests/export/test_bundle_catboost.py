"""A fused model of CatBoost members, from their files to its export and its predictions."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import emm
from emm.data.tables.expressions import evaluated
from emm.data.tables.names import label_column
from emm.data.tables.schema import load_schema
from emm.export.bundle import Exported, write_bundle
from emm.export.row import Row
from emm.export.signature import read_signature
from emm.fusion.decompose import decompose
from emm.fusion.settings import FusionSettings
from emm.fusion.train import train_fused
from emm.outside.score import score
from emm.outside.settings import OutsideModel
from emm.predict.outside import OutsidePool
from emm.predict.predictor import Predictor
from emm.predict.stored import open_stored
from emm.training.context import open_context
from tests.fusion.fusing import settings
from tests.outside.people import NUMBERS, TEXTS
from tests.outside.shop import processed_shop
from tests.training.tiny import training

catboost = pytest.importorskip("catboost")
pandas = pytest.importorskip("pandas")
pytest.importorskip("onnxruntime")

SETTINGS = {"iterations": 15, "depth": 4, "verbose": 0, "thread_count": 1, "random_seed": 0}
LOSSES = {"rich": "Logloss", "income": "RMSE", "size": "MultiClass"}


def expressions(task: str) -> dict[str, str]:
    """The inputs of a member that aren't columns as they are."""
    filled = {name: f"COALESCE({name}, 'none')" for name in TEXTS}
    if task != "rich":
        return filled
    return filled | {
        TEXTS[0]: f"LOWER(COALESCE({TEXTS[0]}, 'none'))",
        NUMBERS[0]: f"CASE WHEN {NUMBERS[0]} > 40 THEN {NUMBERS[0]} * 1.5 ELSE 30 END",
    }


def member(folder: Path, processed: Path, task: str) -> OutsideModel:
    """A model that was trained on the raw rows of train."""
    rows = pl.read_parquet(processed / "raw/train.parquet")
    columns = dict(zip(names := [*NUMBERS, *TEXTS], names, strict=True)) | expressions(task)
    given = evaluated(rows, columns)
    label = pl.read_parquet(processed / "train.parquet")[label_column(task)]
    target = load_schema(processed / "schema.json").targets.get(task)
    label = label if target is None else label * target.std + target.mean
    frame = pandas.DataFrame({name: given[name].to_numpy() for name in given.columns})
    pool = catboost.Pool(frame, label.to_numpy(), cat_features=[*TEXTS])
    words = {**SETTINGS, "loss_function": LOSSES[task], "allow_writing_files": False}
    path = folder / f"{task}.cbm"
    catboost.CatBoost(words).fit(pool).save_model(path)
    return OutsideModel(task, model=str(path), columns=expressions(task), reference="none")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path, Path, Exported]:
    """The fused model, the folder of its data, its export, and what is said of that."""
    folder = tmp_path_factory.mktemp("catboost")
    processed = processed_shop(folder)
    schema = load_schema(processed / "schema.json")
    entries = {f"cat-{task}": member(folder, processed, task) for task in LOSSES}
    for name, entry in entries.items():
        (folder / "scores" / name).mkdir(parents=True)
        score(folder / "scores" / name, name, entry, processed, schema, "conf")
    context = open_context(processed, "paper", training())
    fusion = FusionSettings(pool=entries)
    decompose(folder / "pool", context, {}, {}, fusion, (0,), scores=folder / "scores")
    train_fused(
        folder / "ensemble",
        context,
        name="emm",
        components=folder / "pool",
        training=training(),
        fusion=fusion,
        settings=settings(),
        arguments={"variant": "ensemble"},
    )
    pool = OutsidePool(entries, folder / "scores", "conf: fusion.pool")
    models, none, out = folder / "ensemble/seed-0", folder / "none", folder / "bundle"
    out.mkdir()
    row = Row("shop", "paper", "ensemble", 0, models, processed, none, none, pool)
    said = write_bundle(out, row)
    return open_stored(models, processed, torch.device("cpu"), pool), processed, out, said


def test_onnxruntime_predicts_what_the_project_does(exported: Any) -> None:
    *_, said = exported
    assert said.verified.rows > 100


def test_golden_rows_have_values_of_every_column(exported: Any) -> None:
    _, _, out, _ = exported
    golden = pl.read_parquet(out / "golden.parquet")
    assert {each.column for each in read_signature(out).inputs} <= {*golden.columns}


def test_raw_rows_of_test_have_its_logits(exported: Any) -> None:
    model, processed, out, _ = exported
    rows = pl.read_parquet(processed / "raw/test.parquet")
    expected, found = Predictor(model).logits(rows), emm.load(out).logits(rows)
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=0, atol=1e-5)
