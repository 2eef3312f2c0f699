"""Settings of few-shot images: image sets, and the episodes that MAML learns on them."""

from dataclasses import dataclass, fields
from typing import Annotated, Literal

from pydantic import Field

from emm.config.binding import Count, Positive, Seed, Share
from emm.config.project import Project
from emm.data.datasets.source import SourceSettings


@dataclass(frozen=True)
class CharacterSplitSettings:
    """Counts of ``train`` and ``validation`` characters, drawn with ``seed``; the rest are test."""

    seed: Seed
    train: Count
    validation: Count


@dataclass(frozen=True)
class NetworkSettings:
    """``blocks`` convolution blocks with ``filters`` channels; ``pooled``: the last layer reads the
    mean over positions instead of every position."""

    filters: Count
    blocks: Count
    pooled: bool


@dataclass(frozen=True)
class MetaTrainingSettings:
    """MAML's two loops.

    Outer loop: ``iterations`` steps of Adam with ``learning_rate`` on batches of ``tasks`` episodes
    with ``queries`` query images per class. ``lr_schedule``: a cosine reaches zero after
    ``lr_schedule_iterations`` (null: all iterations). ``ema_decay``: decay of an exponential moving
    average of the weights, which is validated and saved (0: no averaging), from iteration
    ``ema_start`` on.

    Inner loop: ``inner_steps`` gradient steps with ``inner_rate``. ``order``: 2 if the
    meta-gradient flows through them, 1 for first-order MAML. ``multi_step``: number of initial
    iterations in which the query loss after every inner step counts, with falling weight.
    """

    iterations: Count
    tasks: Count
    queries: Count
    inner_rate: Positive
    inner_steps: Count
    learning_rate: Positive
    order: Annotated[int, Field(ge=1, le=2)] = 2
    lr_schedule: Literal["constant", "cosine"] = "constant"
    lr_schedule_iterations: Count | None = None
    multi_step: Annotated[int, Field(ge=0)] = 0
    ema_decay: Share = 0.0
    ema_start: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True)
class MetaTestSettings:
    """Test on ``episodes`` episodes after ``inner_steps``, once for each number of query images per
    class in ``queries``."""

    episodes: Annotated[int, Field(ge=2)]
    queries: Annotated[tuple[Count, ...], Field(min_length=1)]
    inner_steps: Count


@dataclass(frozen=True)
class MetaValidationSettings:
    """Validate and save a checkpoint ``every`` so many iterations: on ``episodes`` episodes with
    ``queries`` query images per class, after ``inner_steps``."""

    every: Count
    episodes: Annotated[int, Field(ge=2)]
    queries: Count
    inner_steps: Count


@dataclass(frozen=True)
class EpisodeSettings:
    """One kind of episodes: ``ways`` classes with ``shots`` support images each, and how a network
    is trained, validated and tested on them."""

    ways: Annotated[int, Field(ge=2)]
    shots: Count
    seed: Seed
    device: str
    threads: Count
    network: NetworkSettings
    training: MetaTrainingSettings
    validation: MetaValidationSettings
    test: MetaTestSettings


@dataclass(frozen=True)
class ImageSetSettings:
    """An image set: its ``source``, the ``side`` of its images in pixels, and the ``split`` of its
    characters."""

    source: SourceSettings
    side: Annotated[int, Field(ge=4, le=105)]
    split: CharacterSplitSettings


def read_image_set(project: Project, images: str) -> ImageSetSettings:
    """The settings of an image set, conf/IMAGES/data.yaml; ParamsError if they are wrong."""
    data = project.data(images)
    data.refuse_unknown([field.name for field in fields(ImageSetSettings)])
    return ImageSetSettings(
        data.read("source", SourceSettings),
        data.read("side", Annotated[int, Field(ge=4, le=105)]),  # type: ignore[arg-type]
        data.read("split", CharacterSplitSettings),
    )


def read_episodes(project: Project, images: str, episodes: str) -> EpisodeSettings:
    """The settings of one kind of episodes in the active recipe; ParamsError if they are wrong."""
    return project.recipe(images).read(episodes, EpisodeSettings)
