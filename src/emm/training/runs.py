"""The runs of a stage, one after another or several at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from emm.core.progress import progress, say
from emm.data.tables.batches import Rows
from emm.training.checkpoint import Checkpoint
from emm.training.epochs import Epoch, best_epoch
from emm.training.fit import Schedule, fit
from emm.training.vectorised import Member, fit_vectorised, obstacle

Made = tuple[nn.Module, Mapping[str, Any]]


@dataclass(frozen=True)
class Run:
    """A model to train: ``build`` makes it with its first weights, beside its arguments."""

    build: Callable[[], Made]
    train: Rows
    validation: Rows
    seed: int
    names: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"{' '.join(self.names)} seed {self.seed}"


@dataclass(frozen=True)
class Trained:
    """What came of a run."""

    run: Run
    model: nn.Module
    arguments: Mapping[str, Any]
    epochs: list[Epoch]


def train_runs(
    runs: Sequence[Run],
    schedule: Schedule,
    *,
    vectorised: bool = False,
    checkpoint: Checkpoint | None = None,
) -> Iterator[Trained]:
    """Train each of ``runs``; ``vectorised``: all of them in one pass, if that can be."""
    if vectorised and len(runs) > 1:
        made = [run.build() for run in runs]
        members = [
            Member(model, run.train, run.validation, run.seed, run.names)
            for run, (model, _) in zip(runs, made, strict=True)
        ]
        reason = obstacle(members, schedule)
        if reason is None:
            yield from _vectorised(runs, made, members, schedule)
            return
        say(f"{runs[0].title} and {len(runs) - 1} others train one after another: {reason}")
        del made, members
    for run in runs:
        model, arguments = run.build()
        epochs = train_run(
            model,
            run.train,
            run.validation,
            schedule,
            run.seed,
            run.names,
            checkpoint=checkpoint,
        )
        yield Trained(run, model, arguments, epochs)


def _vectorised(
    runs: Sequence[Run], made: Sequence[Made], members: Sequence[Member], schedule: Schedule
) -> Iterator[Trained]:
    title = f"{runs[0].names[0]}, {len(runs)} models at once"
    with progress(title, schedule.max_epochs) as report:
        histories = fit_vectorised(members, schedule, report)
    for run, (model, arguments), epochs in zip(runs, made, histories, strict=True):
        _tell(run.title, epochs)
        yield Trained(run, model, arguments, epochs)


def train_run(
    model: nn.Module,
    train: Rows,
    validation: Rows,
    schedule: Schedule,
    seed: int,
    names: tuple[str, ...],
    history: Sequence[Epoch] = (),
    checkpoint: Checkpoint | None = None,
) -> list[Epoch]:
    """Train one model with one seed (`fit`), showing how it goes; ``checkpoint``: its stage's."""
    title = f"{' '.join(names)} seed {seed}"
    with progress(title, schedule.max_epochs) as report:
        epochs = fit(
            model,
            train,
            validation,
            schedule,
            seed=seed,
            names=names,
            history=history,
            report=report,
            checkpoint=checkpoint and checkpoint.of(f"seed-{seed}", *names),
        )
    _tell(title, epochs)
    return epochs


def _tell(title: str, epochs: Sequence[Epoch]) -> None:
    best = epochs[best_epoch(epochs) - epochs[0].epoch]
    say(f"{title}: best of {len(epochs)} epochs is {best.epoch}, score {best.mean_score:.5f}")
