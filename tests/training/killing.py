"""A training in a separate process, to be killed; it is forked from one that has loaded torch."""

from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from emm.core.files import atomic_folder
from emm.core.paths import Paths
from emm.training import checkpoint
from tests.training.interrupted import ORIGIN
from tests.training.test_resume_stages import single
from tests.training.tiny import training

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])


def train(root: Path) -> None:
    """Write ``root``/out as the stage of single-task models does, with a checkpoint per step."""
    torch.set_num_threads(1)
    checkpoint.EVERY_SECONDS, checkpoint.SHARE = 0.0, float("inf")
    paths = Paths("tiny", "paper", root)
    with (
        checkpoint.checkpoints(paths, root / "out", ORIGIN) as place,
        atomic_folder(root / "out") as out,
    ):
        single(out, place, training(max_epochs=2, lr_schedule="one-cycle", ema_decay=0.9))


def start(root: Path) -> BaseProcess:
    process = CONTEXT.Process(target=train, args=(root,))
    process.start()
    return process
