"""Data with raw columns and tasks of every kind, a model of random trees, and its scores."""

import json
from pathlib import Path

import numpy as np
import polars as pl

from emm.data.custom.files import CustomFiles
from emm.data.custom.roles import CustomColumns
from emm.data.custom.tasks import CustomTask
from emm.evaluation.evaluate import evaluate
from emm.export.row import Row
from emm.predict.encoder import open_encoder
from emm.training.context import open_context
from emm.training.store import save_model
from tests.data.custom.custom_files import describe, preprocessed, put_csv
from tests.export.encoders import boosted
from tests.training.tiny import training

TASKS = {
    "clicked": CustomTask("clicked"),
    "bought": CustomTask("bought"),
    "spent": CustomTask("spent", kind="regression"),
    "size": CustomTask("size", kind="classes"),
}
FUNNEL = ("clicked", "bought")
SEEDS = (0, 1)
ROWS = 600
WORDS = ("", "NA")


def raw_table(rows: int = ROWS) -> pl.DataFrame:
    """Text as in a CSV file: keys of 19 digits, blanks, missing words, dates and several values."""
    draw = np.random.default_rng(3)
    clicked = draw.random(rows) < 0.4
    price = draw.gamma(2.0, 30.0, rows).round(2)
    return pl.DataFrame(
        {
            "user_id": [str(1234567890123456000 + n % 120) for n in range(rows)],
            "when": [f"2024-{1 + n % 12:02}-{1 + n % 28:02} {n % 24:02}:00" for n in range(rows)],
            "price": ["NA" if n % 40 == 3 else str(each) for n, each in enumerate(price)],
            "zip code": [f"{n % 9:02}" for n in range(rows)],
            "device": [("  phone", "pad ", "", "NA", 'desk, "old"')[n % 5] for n in range(rows)],
            "stars": [str(n % 6) for n in range(rows)],
            "genres": [("a|b", "b| c", "", "d|a|a")[n % 4] for n in range(rows)],
            "clicked": clicked.astype(int).astype(str),
            "bought": (clicked & (draw.random(rows) < 0.5)).astype(int).astype(str),
            "spent": (price * 3 + draw.normal(size=rows)).round(3).astype(str),
            "size": draw.choice(["small", "medium", "tall"], rows),
        }
    )


def mall(folder: Path) -> Row:
    """Preprocess the table, write a model of both seeds, and evaluate it."""
    columns = CustomColumns(bags={"genres": "|"}, sparse=("user_id", "stars"))
    raw = put_csv(folder / "raw", "rows.csv", raw_table())
    dataset = describe(
        raw, files=CustomFiles({"all": ()}, missing=WORDS), columns=columns, tasks=TASKS
    )
    processed = preprocessed(dataset, raw, folder, bags=True, funnel=FUNNEL)
    models = folder / "models"
    _write_models(models, processed)
    evaluation = folder / "evaluation"
    evaluation.mkdir()
    evaluate(
        models,
        processed,
        evaluation,
        name="gbdt",
        seeds=SEEDS,
        bins=5,
        device="cpu",
        threads=1,
        deterministic=False,
    )
    seen = folder / "seen.parquet"  # there is none: the data has not been checked
    return Row("shop", "paper", "gbdt", 1, models / "seed-1", processed, evaluation, seen)


def _write_models(folder: Path, processed: Path) -> None:
    context, encoder = open_context(processed, "paper", training()), open_encoder(processed)
    for seed in SEEDS:
        model = boosted(encoder)
        for trees in model.ensembles:
            trees.value.mul_(1 + seed)
        about = context.describe("gbdt", "gbdt", model.arguments(), seed)
        save_model(folder / f"seed-{seed}", model, about)
    scores = {"auc": {"clicked": 0.5, "bought": 0.5, "size": 0.5}, "r2": {"spent": 0.0}}
    epochs = [{"epoch": 1, "train_loss": 1.0, **scores}]
    runs = [{"seed": seed, "task": None, "best_epoch": 1, "epochs": epochs} for seed in SEEDS]
    (folder / "history.json").write_text(json.dumps({"runs": runs}))
