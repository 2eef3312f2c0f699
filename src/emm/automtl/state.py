"""The state of a search: its steps, the fixing of operators, and its checkpoint."""

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
from emm.data.tables.folds import fold_only, without_fold
from emm.data.tables.rows import Rows, RowTensors
from emm.nn.bags import attach_bags
from emm.nn.losses import labelled_rows
from emm.training.context import TrainingContext, arguments_of_data
from emm.training.eager import Adam
from emm.training.forward import losses_of
from emm.training.labels import rows_to_learn
from emm.training.seeds import derive, seed_init
from emm.training.settings import positive_weights

KINDS = ("weights", "architecture")


@dataclass(frozen=True)
class SearchState:
    """A search in progress.

    ``optimisers``, ``rows``: one each of `KINDS`; ``positive_weights``, of
    each task: see `emm.nn.losses.task_losses`; ``history``: the finished epochs.
    """

    supernet: Supernet
    optimisers: Mapping[str, torch.optim.Optimizer]
    rows: Mapping[str, Rows]
    settings: SearchSettings
    limits: Limits
    positive_weights: tuple[float, ...] = ()
    history: list[dict[str, Any]] = field(default_factory=list)


def start(
    context: TrainingContext, settings: SearchSettings, arguments: Mapping[str, Any]
) -> SearchState:
    """A search before its first epoch; ``arguments``: those of `Supernet` but those of the data.

    Raises ParamsError for a ``positive_weight`` of a task that doesn't exist or isn't binary,
    DataError if a task has no label.
    """
    schema = context.schema
    seed_init(settings.seed, "search")
    of_data = arguments_of_data(Supernet, schema, context.train)
    supernet = Supernet(context.inputs, len(schema.tasks), **arguments, **of_data)
    attach_bags(supernet, context.bags)
    supernet = supernet.to(context.device)
    optimisers = {
        "weights": Adam(
            supernet.weights(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        ),
        "architecture": Adam(
            supernet.architecture_parameters(),
            lr=settings.architecture_learning_rate,
            weight_decay=settings.architecture_weight_decay,
            fused=True,
        ),
    }
    rows = {
        name: rows_to_learn(supernet, own) for name, own in rows_of(context.train, settings).items()
    }
    limits = meters(supernet, settings.budget)
    weights = positive_weights(
        settings.positive_weight, schema.tasks, schema.task_kinds, "search: positive_weight"
    )
    return SearchState(supernet, optimisers, rows, settings, limits, weights)


def rows_of(train: Rows, settings: SearchSettings) -> dict[str, Rows]:
    """The rows on which the weights learn, and those on which the architecture learns."""
    if settings.sample < 1:
        generator = torch.Generator().manual_seed(derive(settings.seed, "sample"))
        order = torch.randperm(len(train), generator=generator)
        kept = order[: round(settings.sample * len(train))].sort().values
        train = train.rows(kept.to(train.labels.device))
    if settings.folds == 1:
        return dict.fromkeys(KINDS, train)
    part = (0, settings.folds, settings.seed)
    return {"weights": without_fold(train, *part), "architecture": fold_only(train, *part)}


def take_step(state: SearchState, batch: RowTensors, *names: str) -> Tensor:
    """One step of the weights, the architecture or both; returns the loss before the step, a mean
    over the tasks with labels in the batch."""
    for name, optimiser in state.optimisers.items():
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                parameter.requires_grad_(name in names)
    logits = state.supernet(*batch.inputs)
    losses = losses_of(logits, batch, state.positive_weights)
    loss = losses.mean()
    total = loss + _penalty(state) if "architecture" in names else loss
    for name in names:
        state.optimisers[name].zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]
    for name in names:
        state.optimisers[name].step()
    if batch.partly_labelled:
        loss = losses.sum() / (labelled_rows(batch.labels) > 0).sum()
    return loss.detach().double()


def _penalty(state: SearchState) -> Tensor:
    """The loss of the architecture besides that of the tasks: open gates, and the budget."""
    fields, interactions, experts = state.supernet.selection_logits()
    gates = torch.cat([each.flatten() for each in (fields, interactions, *experts)])
    total = state.settings.selection_weight * gates.sigmoid().mean()
    for meter, limit in state.limits:
        assert state.settings.budget is not None
        excess = (meter.expected(state.supernet) / limit - 1).clamp_min(0)
        total = total + state.settings.budget.weight * excess
    return total


def fix_until(state: SearchState, count: int) -> None:
    """Fix the most certain choices until ``count`` choices, or all, are fixed."""
    choices = dict(state.supernet.choices())
    fixed = len(choices) - len(open_choices(state.supernet))
    for _ in range(min(count, len(choices)) - fixed):
        place, name = most_certain(state.supernet, state.limits, state.settings.certainty)
        _fix(state, place, name)


def _fix(state: SearchState, place: Place, name: str) -> None:
    """Fix one choice, and remove the parameters of its other candidates from the optimisers."""
    removed = {id(each) for each in dict(state.supernet.choices())[place].fix(name)}
    for optimiser in state.optimisers.values():
        for group in optimiser.param_groups:
            for parameter in [each for each in group["params"] if id(each) in removed]:
                optimiser.state.pop(parameter, None)
            group["params"] = [each for each in group["params"] if id(each) not in removed]


def _names(state: SearchState) -> dict[Tensor, str]:
    return {parameter: name for name, parameter in state.supernet.named_parameters()}


def save(state: SearchState, folder: Path | None) -> None:
    """Save a checkpoint after an epoch; nothing without a folder."""
    if folder is None:
        return
    tensors = {f"supernet/{key}": value for key, value in state.supernet.state_dict().items()}
    for name, optimiser in state.optimisers.items():
        own = checkpoint.optimiser_tensors(optimiser, _names(state))
        tensors |= {f"{name}/{key}": value for key, value in own.items()}
    left = [[*place, list(choice.names)] for place, choice in state.supernet.choices()]
    checkpoint.save(folder, tensors, {"left": left, "history": state.history})


def resume(state: SearchState, folder: Path | None) -> None:
    """Restore a search that is about to start from its checkpoint, if there is one."""
    saved = None if folder is None else checkpoint.load(folder)
    if saved is None:
        return
    tensors, rest = saved
    choices = dict(state.supernet.choices())
    for *place, names in rest["left"]:
        choice = choices[tuple(place)]
        if len(names) < len(choice.names):
            _fix(state, tuple(place), names[0])
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        part, _, rest_of_key = key.partition("/")
        parts.setdefault(part, {})[rest_of_key] = value
    state.supernet.load_state_dict(parts["supernet"])
    for name, optimiser in state.optimisers.items():
        checkpoint.restore_optimiser(optimiser, _names(state), parts.get(name, {}))
    state.history.extend(rest["history"])
    say(f"search resumes after epoch {len(state.history)}")
