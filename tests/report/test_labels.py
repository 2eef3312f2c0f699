"""Reports on tasks of several classes, missing labels and few positives."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

from emm.core.errors import DataError
from emm.metrics.uncertainty import ScoredRows, auc_interval
from emm.report.facts import DatasetFacts
from emm.report.predictions import read_predictions, rows_by_step
from emm.report.readme import results_table
from emm.report.results import read_results
from emm.report.summary import read_metrics
from tests.report.shop import COLOURS, KINDS, MODELS, ROWS, TASKS, cells, drawn_labels, report

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory, write_shop: Write, shop: DatasetFacts
) -> Path:
    root = tmp_path_factory.mktemp("written")
    report(root, shop, [write_shop(root, model) for model in MODELS])
    return root


@pytest.fixture(scope="module")
def text(written: Path) -> str:
    return (written / "reports/shop.md").read_text()


def test_the_data_table_has_labelled_rows_positives_and_classes(text: str) -> None:
    labels = drawn_labels()
    known = (~labels.isnan()).sum(0).tolist()
    clicks, buys = ((labels[:, t] == 1).sum().item() for t in (0, 2))
    sizes = [(labels[:, 1] == c).sum().item() for c in range(3)]
    shares = [
        f"`{name}` {size} ({100 * size / known[1]:.2f} %)"
        for name, size in zip(COLOURS, sizes, strict=True)
    ]
    assert cells(text, "Data", "test") == [
        *("test", str(ROWS)),
        *(str(known[0]), f"{clicks} ({100 * clicks / known[0]:.2f} %)"),
        *(str(known[1]), ", ".join(shares)),
        *(str(known[2]), f"{buys} ({100 * buys / known[2]:.2f} %)"),
    ]
    assert "each task is trained and scored on its labelled rows" in text


def test_a_table_of_classes_has_both_aucs_and_the_accuracy(written: Path, text: str) -> None:
    stored = load_file(written / "data/evaluation/shop/tuned/emm/predictions.safetensors")
    known = ~stored["labels"][:, 1].isnan()
    logits, labels = stored["logits"][:, known, 1:4], stored["labels"][known, 1]
    row = dict(zip(cells(text, "Results", "model"), cells(text, "Results", "EMM"), strict=False))
    expected = sum(
        roc_auc_score(labels, one.softmax(1), multi_class="ovr") for one in logits.double()
    )
    assert f"{expected / 2:.5f}" in row["colour AUC"]
    assert row["accuracy"] == f"{(logits.argmax(2) == labels).double().mean():.5f}"
    assert "weighted AUC" in row


def test_intervals_are_those_of_the_labelled_rows(written: Path, text: str) -> None:
    stored = load_file(written / "data/evaluation/shop/tuned/emm/predictions.safetensors")
    labels = stored["labels"]
    columns = (stored["logits"][:, :, 0], stored["logits"][:, :, 1:4], stored["logits"][:, :, 4])
    shown = cells(text, "Results", "EMM")
    for t, column in enumerate(columns):
        known = ~labels[:, t].isnan()
        low, high = auc_interval(ScoredRows(column[:, known], labels[known, t])) or (0, 0)
        assert f"[{low:.4f}, {high:.4f}]" in shown


def test_steps_of_the_funnel_have_intervals(written: Path, text: str, shop: DatasetFacts) -> None:
    folder = written / "data/evaluation/shop/tuned/emm"
    found = read_predictions(read_results("emm", folder, TASKS, KINDS), shop)
    steps = rows_by_step(found, shop)
    assert "The conversion is known after a click only" in text
    assert [len(step.labels) for step in steps.values()] == [
        shop.labelled_rows("test", "click"),
        shop.labelled_rows("test", "click"),
        shop.labelled_rows("test", "buy"),
    ]
    shown = cells(text, "Funnel", "EMM")
    for rows in steps.values():
        low, high = auc_interval(rows) or (0, 0)
        assert f"[{low:.4f}, {high:.4f}]" in shown
    both = steps["ctcvr"].predictions.sigmoid()
    known = ~found.labels[:, 0].isnan()
    product = found.logits[:, known, 0].double().sigmoid() * found.logits[:, known, 4].sigmoid()
    torch.testing.assert_close(both, product)


def test_figures_of_classes_are_drawn_and_linked(written: Path, text: str) -> None:
    drawn = {path.name for path in (written / "reports/shop").iterdir()}
    calibration = {f"calibration-{task}.svg" for task in TASKS}
    assert drawn == {
        *calibration,
        "classes-colour.svg",
        "roc-click.svg",
        "roc-buy.svg",
        "training.svg",
    }
    assert all(f"](shop/{name})" in text for name in drawn)


def test_written_metrics_can_be_read_again_and_shown_in_the_readme(written: Path) -> None:
    metrics = json.loads((written / "metrics/shop/tuned/emm.json").read_text())
    keys = ["auc", "auc_std", "auc_gain", "auc_weighted", "logloss", "accuracy", "ece"]
    assert list(metrics["colour"]) == keys
    assert "mean_auc" in metrics
    summaries = read_metrics(written / "metrics/shop/tuned", list(MODELS))
    assert summaries["emm"].tasks["colour"].score[0] == metrics["colour"]["auc"]
    table = results_table(written / "metrics", "shop", "tuned", list(MODELS), ["mmoe"])
    assert "| colour AUC |" in " ".join(table.split())


def test_scores_of_another_kind_are_rejected(written: Path) -> None:
    folder = written / "data/evaluation/shop/tuned/emm"
    with pytest.raises(DataError, match="tasks of other kinds than the dataset"):
        read_results("emm", folder, TASKS, ("binary", "binary", "binary"))


def test_few_positives_are_said_and_not_marked(text: str) -> None:
    buys = int((drawn_labels()[:, 2] == 1).sum())
    assert f"- buy: the test split has {buys} positives, fewer than 50." in text
    assert f"- CVR: the test split has {buys} positives, fewer than 50." in text
    assert "- click: the test split" not in text
    for section, column in (("Results", "buy AUC"), ("Funnel", "CVR AUC")):
        place = cells(text, section, "model").index(column)
        shown = [cells(text, section, name)[place] for name in ("MMoE", "EMM")]
        assert not [cell for cell in shown if "**" in cell or "<u>" in cell]
