"""The recipes of Ali-CCP and AliExpress on generated files: AITM predicts the true rates."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray

import emm
from stages.preprocess import main as preprocess
from stages.train import main as train
from tests.configuration import copy_conf, edit

USERS, ITEMS = 50, 40
Steps = tuple[NDArray[np.bool_], NDArray[np.bool_]]


def steps(draw: np.random.Generator, appeal: NDArray[np.float64]) -> Steps:
    """Clicks in a third of the rows, and purchases after a third of the clicks."""
    click = draw.random(len(appeal)) < 1 / (1 + np.exp(0.8 - appeal))
    purchase = click & (draw.random(len(appeal)) < 1 / (1 + np.exp(0.9 - appeal)))
    return click, purchase


def write_ali_ccp(folder: Path) -> None:
    """Skeleton lines with an item each, and a user's common features."""
    draw = np.random.default_rng(0)
    quality, taste = draw.normal(size=ITEMS), draw.normal(size=USERS)
    users = [f"u{n},1,101\x02{n}\x031.0\n" for n in range(USERS)]
    for part, rows in (("train", 30_000), ("test", 10_000)):
        item, user = draw.integers(0, ITEMS, rows), draw.integers(0, USERS, rows)
        click, purchase = steps(draw, quality[item] + 0.3 * taste[user])
        columns = (click.astype(int), purchase.astype(int), user, item)
        lines = [
            f"{n},{c},{p},u{u},2,205\x02{i}\x031.0\x01508\x02{i % 7}\x03{i / 10}\n"
            for n, (c, p, u, i) in enumerate(zip(*columns, strict=True))
        ]
        (folder / f"sample_skeleton_{part}.csv").write_text("".join(lines))
        (folder / f"common_features_{part}.csv").write_text("".join(users))


def write_aliexpress(folder: Path) -> None:
    """Five results of each search; validation is a tenth of the searches in train."""
    draw = np.random.default_rng(0)
    quality = draw.normal(size=ITEMS)
    for part, rows in (("train", 50_000), ("test", 100)):
        numbers = np.repeat(draw.random((rows, 3)).round(2), 21, axis=1)
        ids = draw.integers(0, ITEMS, (rows, 16)) % [ITEMS, *[3] * 15]
        click, conversion = steps(draw, quality[ids[:, 0]] + numbers[:, 0] - 0.5)
        columns = {
            "search_id": np.arange(rows) // 5,
            **{f"categorical_{n + 1}": ids[:, n] for n in range(16)},
            **{f"numerical_{n + 1}": numbers[:, n] for n in range(63)},
            "click": click.astype(int),
            "conversion": conversion.astype(int),
        }
        pl.DataFrame(columns).write_csv(folder / f"{part}.csv")


@pytest.mark.parametrize(
    ("dataset", "write"),
    [
        pytest.param("ali-ccp", write_ali_ccp, marks=pytest.mark.slow),
        ("aliexpress-nl", write_aliexpress),
    ],
    ids=["ali-ccp", "aliexpress-nl"],
)
def test_aitm_predicts_the_true_rates(
    dataset: str, write: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    raw = tmp_path / f"data/raw/{dataset}"
    raw.mkdir(parents=True)
    write(raw)
    copy_conf(tmp_path)

    small = {"batch_size": 512, "threads": 1}
    edit(tmp_path / f"conf/{dataset}/paper.yaml", lambda tree: tree["training"].update(small))
    preprocess(dataset)
    train(dataset, "aitm")
    data = emm.load_dataset(f"data/processed/{dataset}")
    model = emm.load(f"data/models/{dataset}/paper/aitm/seed-0", data)
    found = model.predict(data, "validation").sigmoid().mean(dim=0)
    rates = data.split("validation").labels.float().mean(dim=0)
    assert data.tasks[1] == "click"
    assert 0.05 < rates[0] < rates[1] / 2
    torch.testing.assert_close(found, rates, rtol=0.1, atol=0)
