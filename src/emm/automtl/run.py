"""A search on its way: its steps, the fixing of operators, and going on after an interruption."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emm.automtl import checkpoint
from emm.automtl.cost import meters
from emm.automtl.discretise import most_certain, open_choices
from emm.automtl.export import Limits, Place
from emm.automtl.settings import SearchSettings
from emm.automtl.supernet import Supernet
from emm.core.progress import say
from emm.data.tables.rows import Rows, RowTensors, fold_only, without_fold
from emm.nn.bags import attach_bags
from emm.nn.losses import task_losses
from emm.training.context import TrainingContext
from emm.training.seeds import derive, seed_init


@dataclass(frozen=True)
class Run:
    """A search on its way: the supernet, an Adam for its weights and one for the architecture, the
    rows that each learns on, and the epochs behind it."""

    supernet: Supernet
    optimisers: Mapping[str, torch.optim.Optimizer]
    rows: Mapping[str, Rows]
    settings: SearchSettings
    limits: Limits
    history: list[dict[str, Any]] = field(default_factory=list)


def start(context: TrainingContext, settings: SearchSettings, arguments: Mapping[str, Any]) -> Run:
    """A search before its first epoch; ``arguments``: those of `Supernet` but inputs and tasks."""
    seed_init(settings.seed, "search")
    supernet = Supernet(context.inputs, len(context.schema.tasks), **arguments)
    attach_bags(supernet, context.bags)
    supernet = supernet.to(context.device)
    optimisers = {
        "weights": torch.optim.Adam(
            supernet.weights(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        ),
        "architecture": torch.optim.Adam(
            supernet.architecture_parameters(), lr=settings.architecture_learning_rate, fused=True
        ),
    }
    limits = meters(supernet, settings.budget)
    return Run(supernet, optimisers, rows_of(context.train, settings), settings, limits)


def rows_of(train: Rows, settings: SearchSettings) -> dict[str, Rows]:
    """The rows that weights learn on, and those that the architecture learns on."""
    if settings.sample < 1:
        generator = torch.Generator().manual_seed(derive(settings.seed, "sample"))
        order = torch.randperm(len(train), generator=generator)
        kept = order[: round(settings.sample * len(train))].sort().values
        train = train.rows(kept.to(train.labels.device))
    part = (0, settings.folds, settings.seed)
    return {"weights": without_fold(train, *part), "architecture": fold_only(train, *part)}


def move(run: Run, name: str, batch: RowTensors) -> Tensor:
    """One step of the weights or of the architecture; the loss that it started from."""
    for other, optimiser in run.optimisers.items():
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                parameter.requires_grad_(other == name)
    logits = run.supernet(*batch.inputs)
    loss = task_losses(logits, batch.labels.float(), batch.weights, batch.kinds).mean()
    total = loss + _penalty(run) if name == "architecture" else loss
    run.optimisers[name].zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]
    run.optimisers[name].step()
    return loss.detach().double()


def _penalty(run: Run) -> Tensor:
    """What the architecture's loss has beside that of the tasks: open gates, and the budget."""
    fields, interactions, experts = run.supernet.selection_logits()
    gates = torch.cat([each.flatten() for each in (fields, interactions, *experts)])
    total = run.settings.selection_weight * gates.sigmoid().mean()
    for meter, limit in run.limits:
        assert run.settings.budget is not None
        excess = (meter.expected(run.supernet) / limit - 1).clamp_min(0)
        total = total + run.settings.budget.weight * excess
    return total


def fix_until(run: Run, count: int) -> None:
    """Fix the most certain choices until ``count`` are fixed, or all."""
    choices = dict(run.supernet.choices())
    fixed = len(choices) - len(open_choices(run.supernet))
    for _ in range(min(count, len(choices)) - fixed):
        place, name = most_certain(run.supernet, run.limits)
        _fix(run, place, name)


def _fix(run: Run, place: Place, name: str) -> None:
    """Fix one choice; what it leaves out is forgotten by the optimisers, too."""
    gone = {id(each) for each in dict(run.supernet.choices())[place].fix(name)}
    for optimiser in run.optimisers.values():
        for group in optimiser.param_groups:
            for parameter in [each for each in group["params"] if id(each) in gone]:
                optimiser.state.pop(parameter, None)
            group["params"] = [each for each in group["params"] if id(each) not in gone]


def _names(run: Run) -> dict[Tensor, str]:
    return {parameter: name for name, parameter in run.supernet.named_parameters()}


def save(run: Run, folder: Path | None) -> None:
    """Keep what `resume` needs to go on after the last epoch; nothing without a folder."""
    if folder is None:
        return
    tensors = {f"supernet/{key}": value for key, value in run.supernet.state_dict().items()}
    for name, optimiser in run.optimisers.items():
        own = checkpoint.optimiser_tensors(optimiser, _names(run))
        tensors |= {f"{name}/{key}": value for key, value in own.items()}
    left = [[*place, list(choice.names)] for place, choice in run.supernet.choices()]
    checkpoint.save(folder, tensors, {"left": left, "history": run.history})


def resume(run: Run, folder: Path | None) -> None:
    """Bring a fresh run to where its checkpoint was made, if there is one."""
    saved = None if folder is None else checkpoint.load(folder)
    if saved is None:
        return
    tensors, rest = saved
    choices = dict(run.supernet.choices())
    for *place, names in rest["left"]:
        choice = choices[tuple(place)]
        if len(names) < len(choice.names):
            _fix(run, tuple(place), names[0])
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        part, _, rest_of_key = key.partition("/")
        parts.setdefault(part, {})[rest_of_key] = value
    run.supernet.load_state_dict(parts["supernet"])
    for name, optimiser in run.optimisers.items():
        checkpoint.restore_optimiser(optimiser, _names(run), parts.get(name, {}))
    run.history.extend(rest["history"])
    say(f"search goes on after epoch {len(run.history)}")
