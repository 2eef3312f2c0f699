import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from emm.data.datasets.generated import GENERATED, TRUTH

TABLES = {name: draw() for name, draw in GENERATED.items()}
TASKS = [(n, c.removeprefix(TRUTH)) for n, t in TABLES.items() for c in t.columns if TRUTH in c]


@pytest.mark.parametrize("name", GENERATED)
def test_the_same_table_is_drawn_again(name: str) -> None:
    assert TABLES[name].equals(GENERATED[name]())


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_labels_have_their_probabilities(name: str, task: str) -> None:
    """Within each tenth of the rows by probability, positives are as many as the sum of these."""
    rows = TABLES[name].sort(f"{TRUTH}{task}")
    truth, label = rows[f"{TRUTH}{task}"].to_numpy(), rows[task].to_numpy()
    for chances, labels in zip(np.array_split(truth, 10), np.array_split(label, 10), strict=True):
        deviation = np.sqrt((chances * (1 - chances)).sum())
        assert abs(labels.sum() - chances.sum()) < 4 * deviation


def one_hot(ids: pl.Series) -> NDArray[np.float64]:
    return ids.to_dummies().to_numpy().astype(float)


def first(rows: pl.DataFrame) -> list[NDArray[np.float64]]:
    n = rows.select(pl.selectors.starts_with("number")).to_numpy()
    return [np.sin(1.7 * n[:, :1]), n[:, 1:2] * n[:, 2:3]]


def second(rows: pl.DataFrame) -> list[NDArray[np.float64]]:
    above = (rows["number_3"].to_numpy() > 0)[:, None]
    return [one_hot(rows["product"]), one_hot(rows["region"]) * above, one_hot(rows["plan"])]


def third(rows: pl.DataFrame) -> list[NDArray[np.float64]]:
    n = rows.select("number_4", "number_5").to_numpy()
    amount = np.log(rows["amount"].to_numpy())[:, None]
    return [np.abs(n[:, :1]), n[:, 1:] ** 2, one_hot(rows["channel"]) * amount]


def churn(rows: pl.DataFrame) -> list[NDArray[np.float64]]:
    n = rows.select(pl.selectors.starts_with("number")).to_numpy()
    return [n[:, :1], np.maximum(n[:, 1:2], 0) * n[:, 2:3], one_hot(rows["shop"])]


def fraud(rows: pl.DataFrame) -> list[NDArray[np.float64]]:
    n = rows.select("number_4", "number_5").to_numpy()
    return [np.abs(n[:, :1]) * one_hot(rows["device"]), n[:, 1:], one_hot(rows["hour"])]


CAUSES = {
    "buys": (first, second),
    "returns": (first, third),
    "complains": (first, second, third),
    "churns": (churn,),
    "cheats": (fraud,),
}


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_the_logits_are_linear_in_their_causes(name: str, task: str) -> None:
    """So the features determine the probabilities, and what isn't a cause has no effect."""
    rows = TABLES[name].head(4000)
    truth = rows[f"{TRUTH}{task}"].to_numpy()
    logits = np.log(truth / (1 - truth))
    parts = [part for causes in CAUSES[task] for part in causes(rows)]
    design = np.hstack([np.ones((len(rows), 1)), *parts])
    fitted = design @ np.linalg.lstsq(design, logits, rcond=None)[0]
    assert np.abs(fitted - logits).max() < 1e-4
