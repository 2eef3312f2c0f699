"""What logits mean: probabilities, values in own units, classes, and the steps of a funnel."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from emm.data.tables.inputs import Inputs
from emm.data.tables.schema import Split, Target
from emm.metrics.funnels import conversion_logits
from emm.predict.model import logit_frame, logit_names, predictions
from tests.training.tiny import SCHEMA

NO_INPUTS = Inputs(())
DRAWN = np.random.default_rng(0).normal(scale=4, size=(50, 2)).astype(np.float32)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def test_binary_tasks_have_probabilities() -> None:
    found = predictions(SCHEMA, NO_INPUTS, DRAWN)
    assert found.schema == {"t0": pl.Float32, "t1": pl.Float32}
    np.testing.assert_allclose(found.to_numpy(), sigmoid(DRAWN), rtol=1e-6)


def test_extreme_logits_have_exact_probabilities() -> None:
    logits = np.array([[-80, 80], [-800, 800]], np.float32)
    found = predictions(SCHEMA, NO_INPUTS, logits)
    assert found["t0"].to_list() == [pytest.approx(np.exp(-80.0), rel=1e-6), 0.0]
    assert found["t1"].to_list() == [1.0, 1.0]


def test_a_regression_has_values_in_its_own_units() -> None:
    schema = replace(SCHEMA, kinds={"t0": "regression"}, targets={"t0": Target(1e6, 250.0)})
    found = predictions(schema, NO_INPUTS, DRAWN)
    assert found["t0"].dtype == pl.Float64
    np.testing.assert_allclose(found["t0"], DRAWN[:, 0].astype(np.float64) * 250 + 1e6, rtol=1e-15)


def test_classes_have_a_probability_each() -> None:
    schema = replace(SCHEMA, kinds={"t1": "classes"}, classes={"t1": ("S", "M", "L")})
    logits = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
    found = predictions(schema, NO_INPUTS, logits)
    assert found.columns == logit_names(schema) == ["t0", "t1:S", "t1:M", "t1:L"]
    expected = torch.softmax(torch.from_numpy(logits[:, 1:]).double(), dim=1).numpy()
    np.testing.assert_allclose(found[:, 1:].to_numpy(), expected, rtol=1e-6)
    assert logit_frame(schema, logits).to_numpy().tolist() == logits.tolist()


def test_a_conversion_over_all_rows_is_that_of_both() -> None:
    schema = replace(SCHEMA, funnel=("t1", "t0"))
    found = predictions(schema, NO_INPUTS, DRAWN)
    assert found.columns == ["t0", "t1", "ctr", "cvr", "ctcvr"]
    click, both = torch.from_numpy(DRAWN[:, 1]), torch.from_numpy(DRAWN[:, 0])
    np.testing.assert_allclose(found["ctr"], sigmoid(DRAWN[:, 1]), rtol=1e-6)
    np.testing.assert_allclose(found["ctcvr"], sigmoid(DRAWN[:, 0]), rtol=1e-6)
    expected = torch.sigmoid(conversion_logits(click, both)).numpy()
    np.testing.assert_allclose(found["cvr"], expected, rtol=1e-6)


def test_a_conversion_that_is_known_after_a_click_only_is_given_one() -> None:
    schema = replace(
        SCHEMA, funnel=("t0", "t1"), splits={"train": Split(9, {}, labelled={"t1": 3})}
    )
    found = predictions(schema, replace(NO_INPUTS, given_click=True), DRAWN)
    ctr, cvr = sigmoid(DRAWN[:, 0]), sigmoid(DRAWN[:, 1])
    np.testing.assert_allclose(found["cvr"], cvr, rtol=1e-6)
    np.testing.assert_allclose(found["ctcvr"], ctr * cvr, rtol=1e-6)


def test_a_task_called_as_a_step_of_the_funnel_keeps_its_name() -> None:
    schema = replace(SCHEMA, tasks=("ctr", "t1"), funnel=("ctr", "t1"))
    found = predictions(schema, NO_INPUTS, DRAWN)
    assert found.columns == ["ctr", "t1", "funnel:ctr", "cvr", "ctcvr"]
