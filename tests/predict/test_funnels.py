"""Funnels: models of all kinds, conversions known for all rows or after a click only."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from emm.api.opening import open_model
from emm.predict.predictor import Predictor
from tests.predict.projects import build, csv_of, evaluated, inside

NAME = "ads"
MODELS = ("esmm", "escm2", "mmoe", "resflow")


def data(buy: str) -> dict[str, Any]:
    return {
        "source": {"path": None},
        "tasks": ["click", "buy"],
        "custom": {
            "train": "1.csv",
            "test": "2.csv",
            "dense": ["x"],
            "sparse": ["ad"],
            "split": {"by": "file", "validation": 0.3},
            "tasks": {"click": "click", "buy": buy},
        },
        "preprocess": {"seed": 0, "rare_below": 1, "max_rejected": 0.0, "funnel": ["click", "buy"]},
        "evaluate": {"calibration_bins": 5},
    }


def ads(rows: int = 500) -> pl.DataFrame:
    draw = np.random.default_rng(0)
    x = draw.random(rows)
    click = (x + draw.normal(size=rows) / 3 > 0.4).astype(int)
    buy = click * (draw.random(rows) > 0.5)
    ad = [f"ad {n % 7}" for n in range(rows)]
    return pl.DataFrame({"x": x, "ad": ad, "click": click, "buy": buy})


BUYS = {"all": "buy", "clicked": "CASE WHEN click = 1 THEN buy END"}


@pytest.fixture(scope="module", params=BUYS)
def funnel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    raw = {"1.csv": csv_of(ads()[:350]), "2.csv": csv_of(ads()[350:])}
    build(folder, NAME, data(BUYS[request.param]), raw, MODELS)
    return folder


def predictor(funnel: Path, model: str) -> Predictor:
    with inside(funnel):
        return Predictor(open_model(f"{NAME}/tiny/{model}").model)


@pytest.mark.parametrize("model", MODELS)
def test_logits_and_steps_are_those_of_evaluate(funnel: Path, model: str) -> None:
    found = predictor(funnel, model)
    rows, logits = ads()[350:], evaluated(funnel, NAME, model)
    np.testing.assert_array_equal(found.logits(rows).to_numpy(), logits)
    known = found.encoder.inputs.given_click
    assert known == ("clicked" in funnel.name)
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    steps = found.predict(rows)
    assert steps.columns == ["click", "buy", "ctr", "cvr", "ctcvr"]
    np.testing.assert_allclose(steps["ctr"], p[:, 0], rtol=1e-6)
    both = p[:, 0] * p[:, 1] if known else p[:, 1]
    np.testing.assert_allclose(steps["ctcvr"], both, rtol=1e-6)
    np.testing.assert_allclose(steps["cvr"], np.minimum(both / p[:, 0], 1), rtol=1e-5)
