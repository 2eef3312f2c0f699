"""Fused rows of a tiny pool, trained and read back."""

import json
from pathlib import Path
from typing import Any

from emm.fusion.emm import EMM
from emm.fusion.settings import FusedSettings, FusionSettings
from emm.fusion.train import train_fused
from emm.training.context import TrainingContext
from emm.training.settings import TrainingSettings
from emm.training.store import load_model
from tests.training.tiny import IDENTITY, fusion, make_context, training

CONTEXT = make_context()
ALIGNED = {"variant": "aligned", "embedding_dim": 2}


def settings(**changes: Any) -> FusedSettings:
    return FusedSettings(**{"learning_rate": 0.01, "weight_decay": 0.0, **changes})


def train(
    out: Path,
    components: Path,
    how: FusedSettings,
    *,
    arguments: dict[str, Any] | None = None,
    protocol: TrainingSettings | None = None,
    rows: FusionSettings | None = None,
    context: TrainingContext = CONTEXT,
) -> tuple[EMM, dict[str, Any]]:
    """A fused row of seed 0 as it was stored, and its run in history.json."""
    train_fused(
        out,
        context,
        "emm",
        components,
        training=protocol or training(),
        fusion=rows or fusion("out-of-fold"),
        settings=how,
        arguments=arguments or ALIGNED,
    )
    model, _ = load_model(out / "seed-0", IDENTITY)
    assert isinstance(model, EMM)
    (run,) = json.loads((out / "history.json").read_text())["runs"]
    return model, run


def numbers(run: dict[str, Any]) -> list[int]:
    return [epoch["epoch"] for epoch in run["epochs"]]
