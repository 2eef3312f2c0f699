"""The search, PD-DARTS: warm-up of the weights, joint learning, step-by-step discretisation."""

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emm.automtl import checkpoint
from emm.automtl.cost import operation_meter, parameter_meter
from emm.automtl.discretise import likeliest, open_choices
from emm.automtl.export import Found, decide, exported_weights
from emm.automtl.settings import SearchSettings
from emm.automtl.space import IDENTITY
from emm.automtl.state import (
    KINDS,
    SearchState,
    fix_until,
    resume,
    save,
    start,
    take_step,
)
from emm.automtl.supernet import Supernet
from emm.core.errors import DataError
from emm.core.progress import say
from emm.data.tables.rows import Rows, RowTensors, count_batches
from emm.metrics.tasks import scores
from emm.training.context import TrainingContext
from emm.training.history import named_scores
from emm.training.seeds import order_generator, seed_dropout

WARM_UP, JOINT, DISCRETISE = "warm-up", "joint", "discretise"
EVALUATION_ROWS = 8_192  # the hidden layers of the supernet are wide


@dataclass(frozen=True)
class Outcome:
    """The result of a search: the architecture, its weights in the supernet, and the epochs as
    plain JSON."""

    found: Found
    weights: Mapping[str, Tensor]
    history: list[dict[str, Any]]


def search(
    context: TrainingContext,
    settings: SearchSettings,
    arguments: Mapping[str, Any],
    checkpoints: Path | None = None,
) -> Outcome:
    """Search for an architecture on train; validation scores are only logged.

    ``arguments``: those of `Supernet` except those of the data; ``checkpoints``: the folder of the
    checkpoint, from which an interrupted search resumes with the same result. Raises ParamsError if
    the budget can't be met, DataError if the loss is not a number; see also
    `emm.automtl.state.start`.
    """
    state = start(context, settings, arguments)
    places = [place for place, _ in state.supernet.choices()]
    decide(state.supernet, dict.fromkeys(places, IDENTITY), state.limits)
    plan = phases(settings, len(places))
    folder = None if checkpoints is None else checkpoints / _key(context, settings, arguments)
    resume(state, folder)
    for number in range(len(state.history) + 1, len(plan) + 1):
        state.history.append(_epoch(state, context, number, plan[number - 1]))
        save(state, folder)
    found = decide(state.supernet, likeliest(state.supernet), state.limits)
    outcome = Outcome(found, exported_weights(state.supernet, found), state.history)
    if folder is not None:
        checkpoint.remove(folder)
    return outcome


def phases(settings: SearchSettings, choices: int) -> list[str]:
    """The phase of each epoch of a search over this number of choices."""
    last = -(-choices // settings.discretised)
    return [WARM_UP] * settings.warm_up + [JOINT] * settings.joint + [DISCRETISE] * last


def _epoch(state: SearchState, context: TrainingContext, number: int, phase: str) -> dict[str, Any]:
    """Run one epoch of a phase; returns its record as plain JSON."""
    settings, supernet = state.settings, state.supernet
    seed_dropout(settings.seed, "search", number)
    orders = {
        name: order_generator(settings.seed, context.device, "search", name, number)
        for name in state.rows
    }
    steps = count_batches(len(state.rows["weights"]), settings.batch_size)
    others = _endless(state.rows["architecture"], settings.batch_size, orders["architecture"])
    before = settings.discretised * max(0, number - 1 - settings.warm_up - settings.joint)
    losses = {
        name: torch.zeros((), dtype=torch.float64, device=context.device) for name in state.rows
    }
    seen, began = 0, time.perf_counter()
    supernet.train()
    supernet.gates_open = settings.open_gates in ("always", phase)
    together = KINDS if settings.folds == 1 and phase != WARM_UP else ("weights",)
    own = state.rows["weights"].shuffled(settings.batch_size, orders["weights"])
    for step, batch in enumerate(own, start=1):
        loss = take_step(state, batch, *together)
        for kind in together:
            losses[kind] += loss
        seen += len(batch)
        if phase != WARM_UP and "architecture" not in together:
            batch = next(others)
            losses["architecture"] += take_step(state, batch, "architecture")
            seen += len(batch)
        if phase == DISCRETISE:
            fix_until(state, before + settings.discretised * step // steps)
    rate = seen / (time.perf_counter() - began)
    return _record(
        state, context, number, phase, {k: float(v) / steps for k, v in losses.items()}, rate
    )


def _endless(rows: Rows, batch_size: int, order: torch.Generator) -> Iterator[RowTensors]:
    while True:
        yield from rows.shuffled(batch_size, order)


def _record(
    state: SearchState,
    context: TrainingContext,
    number: int,
    phase: str,
    losses: Mapping[str, float],
    rate: float,
) -> dict[str, Any]:
    """The record of an epoch; it is printed together with the speed."""
    if any(loss != loss for loss in losses.values()):
        raise DataError(
            "the loss of the search is not a number",
            got=dict(losses),
            next_step="lower the learning rates of the search",
        )
    found = decide(state.supernet, likeliest(state.supernet)).architecture
    validation = context.validation
    reached = scores(
        _predict(state.supernet, validation),
        validation.labels,
        validation.kinds,
        validation.outputs,
        validation.partly_labelled,
    )
    left = len(open_choices(state.supernet))
    mean = sum(reached) / len(reached)
    say(
        f"search epoch {number}, {phase}: loss {losses['weights']:.5f}  validation {mean:.5f}  "
        f"{left} choices open  {rate:,.0f} rows/s"
    )
    return {
        "epoch": number,
        "phase": phase,
        "train_loss": losses["weights"],
        "architecture_loss": None if phase == WARM_UP else losses["architecture"],
        "open_choices": left,
        "parameters": parameter_meter(state.supernet).exact(found),
        "operations": operation_meter(state.supernet).exact(found),
        **named_scores(context.schema.tasks, reached, context.schema.task_kinds),
    }


@torch.inference_mode()
def _predict(supernet: Supernet, rows: Rows) -> Tensor:
    supernet.eval()
    return torch.cat([supernet(*batch.inputs) for batch in rows.in_order(EVALUATION_ROWS)])


def _key(context: TrainingContext, settings: SearchSettings, arguments: Mapping[str, Any]) -> str:
    return checkpoint.key_of(
        {
            "schema": context.schema_sha256,
            "recipe": context.recipe,
            "rows": len(context.train),
            "weighted": context.train.weights is not None,
            "groups": _digest(context.train.groups),
            "settings": asdict(settings),
            "arguments": dict(arguments),
            "device": str(context.device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
    )


def _digest(groups: Tensor | None) -> str:
    """A digest of the groups of rows, on which the halves of train depend."""
    return "" if groups is None else hashlib.sha256(groups.cpu().numpy().tobytes()).hexdigest()
