"""The training loop: Adam, early stopping on validation AUC, the best epoch's weights restored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emm.core.errors import DataError
from emm.core.progress import Report
from emm.data.batches import Table, shuffled
from emm.metrics.ranking import auc
from emm.nn.losses import multi_task_bce
from emm.training.seeds import order_generator, seed_dropout

Loss = Callable[[Tensor, Tensor], Tensor]
EVALUATION_ROWS = 65_536


@dataclass(frozen=True)
class Schedule:
    """How to train: Adam's ``learning_rate`` and L2 ``weight_decay``, rows per batch, and when to
    stop: after ``max_epochs``, or ``patience`` epochs without a better mean validation AUC."""

    learning_rate: float
    weight_decay: float
    batch_size: int
    max_epochs: int
    patience: int


@dataclass(frozen=True)
class Epoch:
    """One pass over train: mean loss per row and validation AUC of each task."""

    epoch: int
    train_loss: float
    auc: tuple[float, ...]

    @property
    def mean_auc(self) -> float:
        return sum(self.auc) / len(self.auc)


def fit(
    model: nn.Module,
    train: Table,
    validation: Table,
    schedule: Schedule,
    *,
    seed: int,
    names: Sequence[object] = (),
    report: Report | None = None,
) -> list[Epoch]:
    """Train ``model`` in place and leave it with the weights of its best epoch, in eval mode.

    Only parameters that require a gradient are touched; a module that keeps itself in eval mode
    keeps its buffers. Model and tables are on one device. ``names`` tell this run's random
    streams apart from others of the same seed. Gives every epoch that ran; the best is the first
    with the highest mean AUC (`best_epoch`). Raises DataError when the loss is no longer a number.
    """
    loss: Loss = getattr(model, "loss", multi_task_bce)
    optimiser = _adam(model, schedule)
    order = order_generator(seed, train.labels.device, *names)
    seed_dropout(seed, *names)
    history: list[Epoch] = []
    best: dict[str, Tensor] = {}
    for number in range(1, schedule.max_epochs + 1):
        mean = train_epoch(model, train, loss, optimiser, schedule.batch_size, order)
        history.append(Epoch(number, mean, validation_aucs(model, validation)))
        chosen = best_epoch(history)
        if chosen == number:
            best = {key: value.clone() for key, value in model.state_dict().items()}
        if report:
            report(number, f"loss {mean:.5f}  validation AUC {history[-1].mean_auc:.5f}")
        if number - chosen >= schedule.patience:
            break
    model.load_state_dict(best)
    model.eval()
    return history


def best_epoch(history: Sequence[Epoch]) -> int:
    """Number (from 1) of the first epoch with the highest mean validation AUC."""
    return max(history, key=lambda epoch: (epoch.mean_auc, -epoch.epoch)).epoch


def train_epoch(
    model: nn.Module,
    train: Table,
    loss: Loss,
    optimiser: torch.optim.Optimizer,
    batch_size: int,
    order: torch.Generator,
) -> float:
    """One pass over train in random order; gives the mean loss per row."""
    model.train()
    # Summed where the model is: reading it after each step would stall a GPU.
    total = torch.zeros((), dtype=torch.float64, device=train.labels.device)
    for index in shuffled(len(train), batch_size, order):
        batch = train.rows(index)
        value = loss(model(batch.dense, batch.sparse), batch.labels.float())
        optimiser.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += value.detach() * len(index)
    mean = float(total) / len(train)
    if mean != mean:
        raise DataError(
            "the training loss is not a number",
            got=mean,
            next_step="lower the learning_rate, or look for extreme dense values with check-data",
        )
    return mean


@torch.inference_mode()
def predict(model: nn.Module, table: Table) -> Tensor:
    """Logits [N, T] of every row, in eval mode."""
    model.eval()
    dense, sparse = (torch.split(part, EVALUATION_ROWS) for part in (table.dense, table.sparse))
    return torch.cat([model(*rows) for rows in zip(dense, sparse, strict=True)])


def validation_aucs(model: nn.Module, validation: Table) -> tuple[float, ...]:
    """AUC of each task."""
    logits = predict(model, validation)
    return tuple(
        auc(logits[:, task], validation.labels[:, task]) for task in range(logits.shape[1])
    )


def _adam(model: nn.Module, schedule: Schedule) -> torch.optim.Adam:
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.Adam(
        trainable, lr=schedule.learning_rate, weight_decay=schedule.weight_decay, fused=True
    )
