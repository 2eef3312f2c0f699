"""Meta-training: Adam on batches of tasks; the weights of the best validation are kept."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from emm.core.errors import DataError
from emm.core.progress import Report
from emm.training.eager import Adam
from fewshot.checkpoint import Checkpoint, State, read_checkpoint, write_checkpoint
from fewshot.episodes import Episodes, EpisodeShape, Sampler
from fewshot.evaluate import adapted_predictions, episode_accuracies, fixed_episodes
from fewshot.maml import InnerLoop, Parameters, meta_loss, step_weights
from fewshot.settings import EpisodeSettings, MetaTrainingSettings


@dataclass(frozen=True)
class Point:
    """One validation: mean training loss since the previous one, and accuracy on episodes of the
    validation characters."""

    iteration: int
    train_loss: float
    accuracy: float


def meta_train(
    network: nn.Module,
    train: Tensor,
    validation: Tensor,
    settings: EpisodeSettings,
    checkpoint: Checkpoint,
    report: Report | None = None,
) -> list[Point]:
    """Train ``network`` in place, on its device, and leave it with its best validated weights.

    train, validation: uint8 images [C, D, P, P] of different characters. An interrupted training
    resumes from its last validation; on the CPU the result is bitwise the same as without the
    interruption. Returns all validations. Raises DataError if the loss is not finite.
    """
    learner = _MetaLearner(network, settings)
    history = learner.resume(checkpoint)
    sampler = _sampler(train, settings)
    first, last = history[-1].iteration if history else 0, settings.training.iterations
    losses: list[Tensor] = []
    for iteration in range(first, last):
        losses.append(learner.step(sampler.batch(iteration, settings.training.tasks), iteration))
        done = iteration + 1
        if done % settings.validation.every == 0 or done == last:
            mean = _mean(losses, done)
            accuracy = learner.validate(validation)
            history.append(Point(done, mean, accuracy))
            learner.save(history, checkpoint)
            losses.clear()
            if report:
                report(done, f"loss {mean:.4f}  validation {accuracy:.4f}")
    network.load_state_dict(learner.best)
    return history


def best_point(history: Sequence[Point]) -> Point:
    """The first validation with the highest accuracy."""
    return max(history, key=lambda point: (point.accuracy, -point.iteration))


class _MetaLearner:
    """The outer loop: meta-parameters, their moving average, Adam, and the best weights so far."""

    def __init__(self, network: nn.Module, settings: EpisodeSettings) -> None:
        self._network, self._settings = network, settings
        self.parameters: Parameters = dict(network.named_parameters())
        self.average = _copy(self.parameters)
        rate = settings.training.learning_rate
        self._adam = Adam(self.parameters.values(), lr=rate)
        self.best = _copy(self.parameters)

    def validate(self, images: Tensor) -> float:
        """Mean accuracy of the averaged weights on a fixed set of validation episodes."""
        settings, validation = self._settings, self._settings.validation
        shape = EpisodeShape(settings.ways, settings.shots, validation.queries)
        rate, steps = settings.training.inner_rate, validation.inner_steps
        batches = fixed_episodes(
            images, shape, validation.episodes, seed=settings.seed, stream="validation"
        )
        found = [
            episode_accuracies(
                adapted_predictions(self._network, self.average, batch, rate, steps), batch
            )
            for batch in batches
        ]
        return float(torch.cat(found).mean())

    def step(self, batch: Episodes, iteration: int) -> Tensor:
        """Take one step of the outer loop; returns the loss before the step."""
        batch = batch.to(next(self._network.parameters()).device)
        training = self._settings.training
        inner = InnerLoop(training.inner_rate, training.inner_steps, training.order == 2)
        weights = step_weights(training.inner_steps, iteration, training.multi_step)
        for group in self._adam.param_groups:
            group["lr"] = outer_learning_rate(training, iteration)
        self._adam.zero_grad()
        loss = meta_loss(self._network, self.parameters, batch, inner, weights)
        loss.backward()  # type: ignore[no-untyped-call]
        self._adam.step()
        self._update_average(1 - training.ema_decay if iteration >= training.ema_start else 1.0)
        return loss.detach()

    @torch.no_grad()
    def _update_average(self, share: float) -> None:
        """Move the averaged weights by ``share`` towards the parameters; 1 copies them."""
        for name, parameter in self.parameters.items():
            self.average[name].lerp_(parameter, share)

    def save(self, history: Sequence[Point], checkpoint: Checkpoint) -> None:
        """Keep the averaged weights if they are the best so far, and write the checkpoint."""
        if best_point(history) == history[-1]:
            self.best = _copy(self.average)
        tensors = {
            **_named("now", self.parameters),
            **_named("average", self.average),
            **_named("best", self.best),
            **{
                f"adam/{name}/{key}": value
                for name, parameter in self.parameters.items()
                for key, value in self._adam.state[parameter].items()
            },
        }
        points = [asdict(point) for point in history]
        write_checkpoint(checkpoint, State(tensors, {"history": points}))

    def resume(self, checkpoint: Checkpoint) -> list[Point]:
        """Restore the state of the checkpoint, if there is one; returns its history."""
        state = read_checkpoint(checkpoint)
        if state is None or _iteration(state) > self._settings.training.iterations:
            return []
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(state.tensors[f"now/{name}"])
                self.average[name].copy_(state.tensors[f"average/{name}"])
                self.best[name].copy_(state.tensors[f"best/{name}"])
                # Adam keeps its step count on the CPU.
                self._adam.state[parameter] = {
                    key: found if key == "step" else found.to(parameter.device)
                    for key in ("step", "exp_avg", "exp_avg_sq")
                    for found in [state.tensors[f"adam/{name}/{key}"].clone()]
                }
        return [Point(**point) for point in state.about["history"]]


def outer_learning_rate(training: MetaTrainingSettings, iteration: int) -> float:
    """Adam's learning rate in ``iteration`` (from 0): constant, or half a cosine down to zero."""
    if training.lr_schedule == "constant":
        return training.learning_rate
    done = min(1.0, iteration / (training.lr_schedule_iterations or training.iterations))
    return training.learning_rate * (1 + math.cos(math.pi * done)) / 2


def _iteration(state: State) -> int:
    """The iteration at which the state was saved."""
    return int(state.about["history"][-1]["iteration"])


def _sampler(images: Tensor, settings: EpisodeSettings) -> Sampler:
    shape = EpisodeShape(settings.ways, settings.shots, settings.training.queries)
    return Sampler(images, shape, seed=settings.seed, stream="train", rotated=True)


def _mean(losses: Sequence[Tensor], iteration: int) -> float:
    mean = float(torch.stack(list(losses)).mean())
    if not math.isfinite(mean):
        raise DataError(
            "the meta-training loss is not finite",
            where=f"iteration {iteration}",
            got=mean,
            next_step="lower training.inner_rate or training.learning_rate",
        )
    return mean


def _copy(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in parameters.items()}


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}/{name}": value for name, value in tensors.items()}
