"""Small projects of custom data whose models are trained and evaluated by the stages."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from safetensors.numpy import load_file

from stages.decompose import main as decompose
from stages.evaluate import main as evaluate
from stages.preprocess import main as preprocess
from stages.train import main as train

NETWORK = {"learning_rate": 0.01, "weight_decay": 0.0, "embedding_dim": 2}
TOWERS = {**NETWORK, "tower": [4], "dropout": 0.0}
RECIPE: dict[str, Any] = {
    "training": {
        "seeds": [3],
        "batch_size": 64,
        "max_epochs": 2,
        "patience": 2,
        "device": "cpu",
        "threads": 1,
    },
    "pretrain": {
        "tm-1": {**TOWERS, "blocks": [[4, 4], [4, 4]]},
        "tabm": {**NETWORK, "network": "tabm", "heads": 2, "layers": [4]},
        "dcnv2": {**NETWORK, "network": "dcnv2", "crosses": 1, "layers": [4]},
        "realmlp": {**NETWORK, "network": "realmlp", "layers": [4]},
        "ft_transformer": {"network": "ft_transformer", "width": 4, "heads": 2, "depth": 1},
    },
    "fusion": {"pool": {}, "trees": ["gbdt"], "fit_on": "train", "folds": 2},
    "train": {
        "shared_bottom": {**TOWERS, "bottom": [4]},
        "mmoe": {**TOWERS, "experts": 2, "expert": [4]},
        "ple": {**TOWERS, "levels": 2, "specific_experts": 1, "shared_experts": 1, "expert": [4]},
        "aitm": {**TOWERS, "bottom": [4]},
        "adatt": {**TOWERS, "levels": 1, "experts": 2, "expert": [4]},
        "esmm": TOWERS,
        "escm2": TOWERS,
        "stem": {**TOWERS, "specific_experts": 1, "shared_experts": 1, "expert": [4]},
        "home": {**TOWERS, "experts": 1, "expert": [4]},
        "resflow": {**NETWORK, "bottom": [4]},
        "gbdt": {
            "learning_rate": 0.2,
            "max_iterations": 6,
            "max_leaf_nodes": 6,
            "min_samples_leaf": 10,
            "l2_regularization": 0.0,
            "patience": 3,
        },
        "emm": {"variant": "aligned", **TOWERS},
        "emm_paper": {"variant": "paper", **TOWERS},
        "ensemble": {"variant": "ensemble", "learning_rate": 0.01, "weight_decay": 0.0},
    },
}
FUSED = ("emm", "emm_paper", "ensemble")


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def build(
    folder: Path,
    name: str,
    data: Mapping[str, Any],
    raw: Mapping[str, str | bytes],
    models: Sequence[str],
    trained: Sequence[str] = ("tm-1",),
) -> Path:
    """A project of the dataset ``name`` with trained and evaluated models.

    ``data``: data.yaml; ``raw``: the content of the raw files by name; ``trained``: structures of
    single-task networks.
    """
    (folder / "conf" / name).mkdir(parents=True)
    (folder / "data/raw" / name).mkdir(parents=True)
    for file, content in raw.items():
        content = content if isinstance(content, bytes) else content.encode()
        (folder / "data/raw" / name / file).write_bytes(content)
    fused = [model for model in models if model in FUSED]
    active = {
        "datasets": [name],
        "recipe": "tiny",
        "trained": list(trained),
        "trees": ["gbdt"],
        "baselines": [m for m in models if m not in (*trained, "gbdt", *FUSED)],
        "fused": fused,
        "table": list(models),
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(active))
    (folder / "conf" / name / "data.yaml").write_text(yaml.safe_dump(dict(data)))
    (folder / "conf" / name / "tiny.yaml").write_text(yaml.safe_dump(RECIPE))
    with inside(folder):
        preprocess(name)
        for model in [m for m in models if m not in fused]:
            train(name, model)
        if fused:
            decompose(name)
        for model in fused:
            train(name, model)
        for model in models:
            evaluate(name, model)
    return folder


def evaluated(folder: Path, name: str, model: str) -> np.ndarray:
    """The logits [N, O] of the first seed that `evaluate` stored."""
    file = folder / f"data/evaluation/{name}/tiny/{model}/predictions.safetensors"
    found: np.ndarray = load_file(file)["logits"][0]
    return found


def csv_of(rows: pl.DataFrame, separator: str = ",") -> str:
    return rows.write_csv(separator=separator)


def refused(out: Path) -> list[dict[str, Any]]:
    """The list of rows that can't be used, next to ``out``."""
    lines = out.with_name(f"{out.name}.rejected.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]
