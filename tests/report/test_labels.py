"""Reports on tasks of several classes, missing labels, weighted rows and few positives."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score
from torch import Tensor

from emm.core.errors import DataError
from emm.data.tables.schema import FORMAT, InferredColumn, Schema, Split
from emm.metrics.bootstrap import auc_replicates, compare_replicates
from emm.metrics.funnels import funnel_metrics
from emm.metrics.tasks import task_metrics
from emm.metrics.uncertainty import ScoredRows, auc_interval
from emm.report.facts import DatasetFacts, facts_of
from emm.report.predictions import read_predictions, rows_by_step, rows_by_task
from emm.report.readme import results_table
from emm.report.remarks import starts_as_average
from emm.report.results import read_results
from emm.report.study import write_study
from emm.report.study_settings import StudySettings, StudyTableSettings
from emm.report.summary import read_metrics
from emm.report.write import write_report

TASKS, KINDS = ("click", "colour", "buy"), ("binary", "classes", "binary")
COLOURS = ("red", "green", "blue")
MODELS, ROWS, SEEDS = ("mmoe", "emm"), 400, 2
Write = Callable[..., Path]


def drawn_labels() -> Tensor:
    """[N, T]: a purchase is known after a click only; some clicks and colours are missing."""
    generator = torch.Generator().manual_seed(0)
    uniform = torch.rand(5, ROWS, generator=generator)
    click = (uniform[0] < 0.5).float()
    buy = torch.where(click == 1, (uniform[1] < 0.2).float(), torch.nan)
    colour = (uniform[2] * 6).floor().clamp(max=2)
    colour[uniform[3] < 0.2] = torch.nan
    click[uniform[4] < 0.05] = buy[uniform[4] < 0.05] = torch.nan
    return torch.stack([click, colour, buy], dim=1)


def split_of(labels: Tensor) -> Split:
    known = ~labels.isnan()
    click, colour, buy = (labels[known[:, t], t] for t in range(3))
    return Split(
        len(labels),
        {"click": click.mean().item(), "buy": buy.mean().item()},
        class_rates={"colour": tuple((colour == c).float().mean().item() for c in range(3))},
        labelled=dict(zip(TASKS, known.sum(0).tolist(), strict=True)),
    )


@pytest.fixture(scope="module")
def facts() -> DatasetFacts:
    split = split_of(drawn_labels())
    schema = Schema(
        format=FORMAT,
        dataset="shop",
        title="Shop",
        licence="",
        origin="here",
        tasks=TASKS,
        key=None,
        weight=None,
        dense=(),
        sparse=(),
        splits=dict.fromkeys(("train", "validation", "test"), split),
        vocabularies={},
        kinds={"colour": "classes"},
        classes={"colour": COLOURS},
        funnel=("click", "buy"),
    )
    return facts_of("shop", schema)


@pytest.fixture(scope="module")
def write_labels(write_evaluation: Write) -> Write:
    """Return a function that writes the evaluation of a model under a root folder."""

    def write(root: Path, model: str, weights: Tensor | None = None, best_epoch: int = 2) -> Path:
        folder = write_evaluation(
            root / "data/evaluation/shop/tuned", model, {task: [0.9, 0.9] for task in TASKS}
        )
        labels = drawn_labels()
        generator = torch.Generator().manual_seed(len(model))
        colours = torch.nn.functional.one_hot(labels[:, 1].nan_to_num().long(), 3)
        signal = torch.column_stack([labels[:, 0], colours, labels[:, 2]]).nan_to_num(0.5)
        logits = signal + torch.randn(SEEDS, ROWS, 5, generator=generator)
        stored = {"logits": logits, "labels": labels}
        save_file(
            stored if weights is None else {**stored, "weights": weights},
            folder / "predictions.safetensors",
        )
        _replace(folder / "metrics.json", **_scores(logits, labels))
        runs = json.loads((folder / "history.json").read_text())["runs"]
        for run in runs:
            run["epochs"] = [{**run["epochs"][0], "epoch": 0}, *run["epochs"]]
            run["best_epoch"] = best_epoch
        _replace(folder / "history.json", runs=runs)
        return folder

    return write


def _scores(logits: Tensor, labels: Tensor) -> dict[str, Any]:
    columns = dict(zip(TASKS, (logits[:, :, 0], logits[:, :, 1:4], logits[:, :, 4]), strict=True))
    known = dict(zip(TASKS, (~labels.isnan()).unbind(1), strict=True))
    tasks = {
        task: task_metrics(kind, columns[task][:, known[task]], labels[known[task], t], bins=5)
        for t, (task, kind) in enumerate(zip(TASKS, KINDS, strict=True))
    }

    def score(own: Tensor, truth: Tensor, _: Tensor) -> dict[str, list[float]]:
        return task_metrics("binary", own, truth, bins=5)

    pair = columns["click"], columns["buy"], labels[:, [0, 2]]
    return {"tasks": tasks, "funnel": funnel_metrics(*pair, score, partly_labelled=True)}


def _replace(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory, write_labels: Write, facts: DatasetFacts
) -> Path:
    root = tmp_path_factory.mktemp("written")
    return report(root, facts, [write_labels(root, model) for model in MODELS])


def report(root: Path, facts: DatasetFacts, folders: list[Path], **how: Any) -> Path:
    write_report(
        [(folder.name, folder) for folder in folders],
        facts,
        "tuned",
        trained=("mmoe",),
        fused=("emm",),
        metrics=root / "metrics/shop/tuned",
        plots=root / "plots/shop/tuned",
        report=root / "reports/shop.md",
        **how,
    )
    return root


@pytest.fixture(scope="module")
def text(written: Path) -> str:
    return (written / "reports/shop.md").read_text()


def cells(text: str, section: str, row: str) -> list[str]:
    """The cells of a row of the first table of a section."""
    lines = text.split(f"## {section}\n")[1].split("\n## ")[0].splitlines()
    found = next(line for line in lines if line.startswith(f"| {row} "))
    return [cell.strip() for cell in found.split("|")[1:-1]]


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


def test_steps_of_the_funnel_have_intervals(written: Path, text: str, facts: DatasetFacts) -> None:
    folder = written / "data/evaluation/shop/tuned/emm"
    found = read_predictions(read_results("emm", folder, TASKS, KINDS), facts)
    steps = rows_by_step(found, facts)
    assert "The conversion is known after a click only" in text
    assert [len(step.labels) for step in steps.values()] == [
        facts.labelled_rows("test", "click"),
        facts.labelled_rows("test", "click"),
        facts.labelled_rows("test", "buy"),
    ]
    shown = cells(text, "Funnel", "EMM")
    for rows in steps.values():
        low, high = auc_interval(rows) or (0, 0)
        assert f"[{low:.4f}, {high:.4f}]" in shown
    both = steps["ctcvr"].predictions.sigmoid()
    known = ~found.labels[:, 0].isnan()
    product = found.logits[:, known, 0].double().sigmoid() * found.logits[:, known, 4].sigmoid()
    torch.testing.assert_close(both, product)


def test_few_positives_are_said_and_not_marked(text: str) -> None:
    buys = int((drawn_labels()[:, 2] == 1).sum())
    assert f"- buy: the test split has {buys} positives, fewer than 50." in text
    assert f"- CVR: the test split has {buys} positives, fewer than 50." in text
    assert "- click: the test split" not in text
    for section, column in (("Results", "buy AUC"), ("Funnel", "CVR AUC")):
        place = cells(text, section, "model").index(column)
        shown = [cells(text, section, name)[place] for name in ("MMoE", "EMM")]
        assert not [cell for cell in shown if "**" in cell or "<u>" in cell]


def test_few_rows_of_a_class_are_said(facts: DatasetFacts, written: Path, tmp_path: Path) -> None:
    rare = {"colour": (0.6, 0.39, 0.01)}
    few = replace(facts, class_rates=dict.fromkeys(facts.rows, rare))
    folders = [written / f"data/evaluation/shop/tuned/{model}" for model in MODELS]
    text = (report(tmp_path, few, folders) / "reports/shop.md").read_text()
    assert "- colour: the test split has 3 rows of the class `blue`, fewer than 50." in text


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


def test_weighted_rows_are_said_and_their_intervals_are_weighted(
    tmp_path: Path, write_labels: Write, facts: DatasetFacts
) -> None:
    weights = torch.rand(ROWS, generator=torch.Generator().manual_seed(9))
    folder = write_labels(tmp_path, "emm", weights)
    text = (report_of_one(tmp_path, facts, folder) / "reports/shop.md").read_text()
    assert "(`evaluate.sample_weights`)" in text
    found = read_predictions(read_results("emm", folder, TASKS, KINDS), facts)
    rows = rows_by_task(found, facts)["click"]
    known = ~found.labels[:, 0].isnan()
    assert rows.weights is not None
    assert torch.equal(rows.weights, weights[known])
    low, high = auc_interval(rows) or (0, 0)
    assert f"[{low:.4f}, {high:.4f}]" in cells(text, "Results", "EMM")


def report_of_one(root: Path, facts: DatasetFacts, folder: Path, **how: Any) -> Path:
    write_report(
        [(folder.name, folder)],
        facts,
        "tuned",
        trained=(),
        fused=("emm",),
        metrics=root / "metrics/shop/tuned",
        plots=root / "plots/shop/tuned",
        report=root / "reports/shop.md",
        **how,
    )
    return root


@pytest.mark.parametrize(
    ("averages", "label", "sentence"),
    [
        (("emm",), "EMM (plain average)", "the fused model is the plain average"),
        ((), "EMM (as it started)", "epoch 0, the fused model before training"),
    ],
)
def test_a_fused_model_that_kept_its_start_is_named_so(
    tmp_path: Path,
    write_labels: Write,
    facts: DatasetFacts,
    averages: tuple[str, ...],
    label: str,
    sentence: str,
) -> None:
    folder = write_labels(tmp_path, "emm", best_epoch=0)
    root = report_of_one(tmp_path, facts, folder, averages=averages)
    text = (root / "reports/shop.md").read_text()
    for section in ("Results", "Funnel", "Calibration and size"):
        assert cells(text, section, "EMM")[0] == label
    assert sentence in text


def test_inferred_columns_are_listed(
    tmp_path: Path, write_labels: Write, facts: DatasetFacts
) -> None:
    columns = (
        InferredColumn("a|b", "categorical", distinct=1200, missing=3, example="x*"),
        InferredColumn("day", "time", distinct=31, missing=0, example="y" * 50),
    )
    root = report_of_one(tmp_path, replace(facts, inferred=columns), write_labels(tmp_path, "emm"))
    table = (root / "reports/shop.md").read_text().split("## Inferred columns")[1]
    assert r"| `a\|b` | categorical | 1,200 | 3 | `x*` |" in " ".join(table.split())
    assert f"| `day` | time | 31 | 0 | `{'y' * 39}…` |" in " ".join(table.split())


def found_rows(folder: Path, facts: DatasetFacts) -> dict[str, ScoredRows]:
    return rows_by_task(read_predictions(read_results("emm", folder, TASKS, KINDS), facts), facts)


def test_a_study_compares_classes_by_the_bootstrap(
    tmp_path: Path, write_labels: Write, facts: DatasetFacts
) -> None:
    folders = {model: write_labels(tmp_path, model, best_epoch=0) for model in MODELS}
    settings = StudyTableSettings("One", "shop", "tuned", MODELS, "emm")
    study = StudySettings({"one": settings}, tasks=("one",))
    paths = {"metrics": tmp_path / "m", "report": tmp_path / "study.md"}
    write_study(study, {"shop": facts}, root=tmp_path, **paths)
    replicates = {}
    for model, folder in folders.items():
        stored = load_file(folder / "predictions.safetensors")
        known = ~stored["labels"][:, 1].isnan()
        replicates[model] = auc_replicates(
            stored["logits"][:, known, 1:4], stored["labels"][known, 1]
        )
    found = json.loads((tmp_path / "m/one/mmoe.json").read_text())
    expected = compare_replicates(replicates["mmoe"], replicates["emm"])
    assert found["difference_colour"] == pytest.approx(expected.difference, abs=1e-8)
    assert expected.p <= found["p_value_colour"] <= min(1, 3 * expected.p)  # Holm, of 3 tests
    text = (tmp_path / "study.md").read_text()
    low, high = auc_interval(found_rows(folders["emm"], facts)["colour"]) or (0, 0)
    assert f"| [{low:.4f}, {high:.4f}] |" in text
    assert "- buy: the test split has" in text
    assert "EMM (as it started)" in text


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"variant": "aligned"}, True),
        ({"variant": "aligned", "start": {"towers": "frozen"}, "merge": False}, True),
        ({"variant": "aligned", "start": {"embeddings": "fresh"}}, False),
        ({"variant": "aligned", "uniform_gates": False}, False),
        ({"variant": "aligned", "zero_merge": False}, False),
        ({"variant": "aligned", "own_paths": False}, False),
        ({"variant": "paper"}, False),
        (None, False),
    ],
)
def test_an_aligned_fusion_starts_as_the_average_unless_its_start_is_another(
    section: dict[str, Any] | None, expected: bool
) -> None:
    assert starts_as_average(section) is expected
