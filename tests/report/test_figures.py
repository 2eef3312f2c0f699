"""Figures with unusual content can be drawn; how they look is checked by eye."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from emm.metrics.calibration import reliability_of_equal_evidence
from emm.metrics.ranking import roc_curve
from emm.report.class_figure import draw_classes
from emm.report.curves import Curves
from emm.report.drawing import styles
from emm.report.figures import draw_calibration, draw_roc, draw_training
from emm.report.results import Epoch, Evaluation, ModelResults, Run

TASKS = ("a", "b", "c", "d")


def curves(models: int, scale: float, base: float) -> dict[str, Curves]:
    """Curves of one task for models whose logits are ``scale`` times the calibrated ones."""
    generator = torch.Generator().manual_seed(0)
    logits = base + torch.randn(300, generator=generator)
    labels = torch.rand(300, generator=generator) < logits.sigmoid()
    labels[:2] = torch.tensor([True, False])
    found = Curves(
        {"a": roc_curve(logits, labels)},
        {"a": reliability_of_equal_evidence(scale * logits, labels, 12)},
    )
    return {f"model-{i}": found for i in range(models)}


def model(
    name: str, tasks: tuple[str, ...], epochs: int, auc: float, first: int = 1
) -> ModelResults:
    history = tuple(Epoch(first + i, 0.1, dict.fromkeys(tasks, auc)) for i in range(epochs))
    return ModelResults(
        name, Path(), Evaluation(name, (0,), 1, 1, {}), (Run(0, None, first, history),)
    )


def is_picture(path: Path) -> bool:
    """Whether the file is valid SVG with something drawn in it."""
    root = ElementTree.parse(path).getroot()
    return root.tag.endswith("svg") and any(node.tag.endswith("path") for node in root.iter())


@pytest.mark.parametrize("models", [1, 4, 10])
def test_any_number_of_models_can_be_drawn(tmp_path: Path, models: int) -> None:
    drawn = curves(models, scale=1.0, base=0.0)
    looks = styles(list(drawn), (), ())
    draw_roc(tmp_path / "roc.svg", drawn, "a", looks)
    draw_calibration(tmp_path / "calibration.svg", drawn, "a", looks)
    assert all(is_picture(tmp_path / f"{name}.svg") for name in ("roc", "calibration"))


@pytest.mark.parametrize(("scale", "base"), [(50.0, 0.0), (0.0, 0.0), (1e3, 3.0), (1.0, -7.0)])
def test_badly_calibrated_models_can_be_drawn(tmp_path: Path, scale: float, base: float) -> None:
    drawn = curves(2, scale, base)
    draw_calibration(tmp_path / "calibration.svg", drawn, "a", styles(list(drawn), (), ()))
    assert is_picture(tmp_path / "calibration.svg")


@pytest.mark.parametrize(("tasks", "epochs"), [(1, 1), (2, 3), (3, 1), (4, 3)])
def test_any_number_of_tasks_and_epochs_can_be_drawn(
    tmp_path: Path, tasks: int, epochs: int
) -> None:
    models = [model("one", TASKS[:tasks], epochs, 0.5), model("two", TASKS[:tasks], 1, 1.0)]
    draw_training(tmp_path / "t.svg", models, TASKS[:tasks], styles(["one", "two"], (), ()))
    assert is_picture(tmp_path / "t.svg")


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_the_epoch_before_training_can_be_drawn(tmp_path: Path, epochs: int) -> None:
    models = [
        model("fused", TASKS[:1], epochs, 0.9, first=0),
        model("other", TASKS[:1], epochs, 0.8),
    ]
    draw_training(tmp_path / "t.svg", models, TASKS[:1], styles(["fused", "other"], (), ("fused",)))
    assert is_picture(tmp_path / "t.svg")


def test_no_two_models_look_alike() -> None:
    models = [f"model-{i}" for i in range(30)]
    looks = styles(models, models[:6], models[6:9])
    assert list(looks) == models
    assert len({(look["color"], str(look["linestyle"])) for look in looks.values()}) == 30


@pytest.mark.parametrize(("classes", "models"), [(2, 1), (3, 12), (40, 2)])
def test_any_number_of_classes_can_be_drawn(tmp_path: Path, classes: int, models: int) -> None:
    """The class with the number 1 doesn't occur in test."""
    sizes = {f"class {number}": (number != 1) * (100 - number) for number in range(classes)}
    aucs = {number: 0.5 + number / 100 for number in range(classes) if number != 1}
    drawn = {f"model-{i}": Curves({}, {}, class_aucs={"a": aucs}) for i in range(models)}
    draw_classes(tmp_path / "c.svg", drawn, "a", sizes, styles(list(drawn), (), ()))
    assert is_picture(tmp_path / "c.svg")
