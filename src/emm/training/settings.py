"""Settings of training: the protocol that all models of a recipe share, and each model's steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from emm.config.binding import Count, NotNegative, Positive, Seed, Share
from emm.core.errors import ParamsError, choose
from emm.data.tables.schema import BINARY

FitOn = Literal["train", "out-of-fold", "held-out"]


@dataclass(frozen=True)
class TrainingSettings:
    """The protocol that every model of a recipe shares.

    Attributes:
        seeds: one training each; results are reported over all of them.
        batch_size: rows per step.
        max_epochs: passes over train at most.
        patience: epochs without a better one before training stops.
        device: auto, cpu, cuda, cuda:1, ...
        threads: CPU threads of one training run; more pay off only for large layers and batches.
        optimiser: adam, adamw or lazy-adam.
        lr_schedule: of the learning rate: constant, or one cycle over ``max_epochs``.
        choose_by: what the best epoch has the best of, score or loss, as a mean over tasks on
            validation. The order of few positives is mostly luck, and the loss less so.
        ema_decay: decay per step of averaged weights, which are then evaluated and kept; 0: none.
        sample_weights: weigh the rows of train in the loss as the dataset says.
        positive_weight: factor of the losses of positive rows, by binary task.
        deterministic: the same bits on CUDA, too.
        portable: the same bits on every x86-64 processor with AVX2.
        vectorised: train all of a stage's models of one shape in one pass.
        compile: compile the steps: never, auto (where it is measured to pay off) or always.
        precision: of matrix products in training.
        defaults: of the keys that the recipe leaves out: fixed values, or auto, which chooses them
            from the table (`emm.training.auto`).
    """

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    batch_size: Annotated[int, Field(ge=2)] = 1024
    max_epochs: Count = 20
    patience: Count = 2
    device: str = "auto"
    threads: Count = 1
    optimiser: Literal["adam", "adamw", "lazy-adam"] = "adam"
    lr_schedule: Literal["constant", "one-cycle"] = "constant"
    choose_by: Literal["score", "loss"] = "score"
    ema_decay: Share = 0.0
    sample_weights: bool = False
    positive_weight: Mapping[str, Positive] = field(default_factory=dict)
    deterministic: bool = False
    portable: bool = True
    vectorised: bool = False
    compile: Literal["never", "auto", "always"] = "never"
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    defaults: Literal["fixed", "auto"] = "fixed"


@dataclass(frozen=True)
class OptimiserSettings:
    """Step size, weight decay, and how the tasks' losses are weighed.

    ``weighting``: the ``rule`` of `emm.training.weighting` with its arguments.
    """

    learning_rate: Positive = 0.001
    weight_decay: NotNegative = 0.00001
    weighting: Mapping[str, Any] = field(default_factory=lambda: {"rule": "equal"})


@dataclass(frozen=True)
class FoldSettings:
    """The rows of train that fused models learn on.

    ``fit_on``: ``train``, all rows with the pool's predictions for them; ``out-of-fold``, all rows
    with predictions of models that haven't seen them, each trained without one of ``folds`` parts;
    ``held-out``, only the first of these parts, on which no trained model learns.
    """

    fit_on: FitOn = "train"
    folds: Annotated[int, Field(ge=2)] = 5


@dataclass(frozen=True)
class PoolSettings(FoldSettings):
    """The pipeline's own members of the pool, and the rows that fused models learn on.

    ``networks``: those of ``trained`` in params.yaml, by default all; ``trees``: models of boosted
    trees that join them, such as gbdt.
    """

    networks: tuple[str, ...] = ()
    trees: tuple[str, ...] = ()

    def takes(self, network: str) -> bool:
        """Whether the single-task networks of this name are members."""
        return not self.networks or network in self.networks


def positive_weights(
    settings: Mapping[str, float],
    tasks: Sequence[str],
    kinds: Sequence[str] = (),
    where: str = "training.positive_weight",
) -> tuple[float, ...]:
    """The factor of positive rows for each task, 1 unless ``settings`` has it; () if all are 1.

    ``kinds``: kind of each task; () if all are binary. Raises ParamsError for a task that doesn't
    exist or isn't binary.
    """
    for name in settings:
        choose("task", name, tasks, where, "correct the name")
        kind = kinds[tasks.index(name)] if kinds else BINARY
        if kind != BINARY:
            raise ParamsError(
                f"{name} has no positive rows to weigh",
                where=where,
                got=f"{name}, a task of kind {kind}",
                expected="binary tasks only",
                next_step=f"leave {name} out",
            )
    found = tuple(settings.get(task, 1.0) for task in tasks)
    return () if set(found) <= {1.0} else found


def no_funnel(model: str, dataset: str, tasks: tuple[str, ...]) -> ParamsError:
    """The error of a model that needs a funnel on a dataset that declares none."""
    return ParamsError(
        f"{model} needs a funnel, and the tasks of {dataset} aren't declared as one",
        where=f"conf/{dataset}/data.yaml: preprocess.funnel",
        got=f"no funnel among {', '.join(tasks)}",
        expected="two tasks in their order, such as [click, purchase]",
        next_step=f"name them there if every row with the second has the first; else take {model} "
        "out of `baselines`",
    )
