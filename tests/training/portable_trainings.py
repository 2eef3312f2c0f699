"""Short trainings of a network, boosted trees and a stacking, and their hashes."""

import hashlib
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from emm.fusion.stacking.fits import fit_average, fit_gate, fit_weights
from emm.models.mmoe import MMoE
from emm.training.networks import build_network, train_networks
from emm.trees.settings import BoostingSettings, LightGBMSettings, ScikitLearnSettings
from emm.trees.train import train_trees
from tests.fusion.stacking.generated import INPUTS, noise, rows
from tests.training.tiny import OPTIMISER, make_context, training

ROWS = 1500
EXPERT = [300, 64]  # so wide that products are split
TREES = {"learning_rate": 0.1, "max_iterations": 8, "max_leaf_nodes": 15, "min_samples_leaf": 5}
LIBRARIES: dict[str, BoostingSettings] = {
    "lightgbm": LightGBMSettings(**TREES),
    "scikit-learn": ScikitLearnSettings(**TREES),
}


def hashes() -> Iterator[tuple[str, str]]:
    """What was trained, and its hash."""
    context = make_context(ROWS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = {"embedding_dim": 8, "experts": 3, "expert": EXPERT, "tower": [16]}
        train_networks(
            folder / "mmoe",
            context,
            name="mmoe",
            architecture="mmoe",
            build=partial(build_network, MMoE, {**arguments, "dropout": 0.2}),
            training=training(batch_size=256, optimiser="adamw", ema_decay=0.9),
            optimiser=OPTIMISER,
        )
        for library, settings in LIBRARIES.items():
            train_trees(folder / library, library, context, settings, (0,))
        for trained in ("mmoe", *LIBRARIES):
            weights = (folder / trained / "seed-0/model.safetensors").read_bytes()
            yield trained, hashlib.sha256(weights).hexdigest()
    yield "stacking", _of_tensors(stacked())


def stacked() -> Iterator[Tensor]:
    """Weights of combinations, which NumPy and SciPy fit."""
    logits = noise(ROWS, 4)
    known = rows(logits, logits @ torch.tensor([1.0, 0.5, 0.2, -0.1]))
    average = fit_average(known, INPUTS)
    for model in (
        average,
        fit_weights(known, average, 0.01),
        fit_gate(known, INPUTS, average, 0.1),
    ):
        yield from model.state_dict().values()


def _of_tensors(tensors: Iterator[Tensor]) -> str:
    found = hashlib.sha256()
    for each in tensors:
        found.update(each.contiguous().numpy().tobytes())
    return found.hexdigest()
