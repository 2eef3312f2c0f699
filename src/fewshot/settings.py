"""Settings of few-shot images: image sets, and the episodes that MAML learns on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from emm.config.binding import Count, OneOf, Positive, Range, Share, choose, nearest
from emm.config.data import SourceSettings

Seed = Annotated[int, Range(0)]


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
    order: Annotated[int, Range(1, 2)] = 2
    lr_schedule: Annotated[str, OneOf("constant", "cosine")] = "constant"
    lr_schedule_iterations: Count | None = None
    multi_step: Annotated[int, Range(0)] = 0
    ema_decay: Share = 0.0
    ema_start: Annotated[int, Range(0)] = 0


@dataclass(frozen=True)
class MetaTestSettings:
    """Test on ``episodes`` episodes after ``inner_steps``, once for each number of query images per
    class in ``queries``."""

    episodes: Annotated[int, Range(2)]
    queries: tuple[Count, ...]
    inner_steps: Count


@dataclass(frozen=True)
class MetaValidationSettings:
    """Validate and save a checkpoint ``every`` so many iterations: on ``episodes`` episodes with
    ``queries`` query images per class, after ``inner_steps``."""

    every: Count
    episodes: Annotated[int, Range(2)]
    queries: Count
    inner_steps: Count


@dataclass(frozen=True)
class EpisodeSettings:
    """One kind of episodes: ``ways`` classes with ``shots`` support images each, and how a network
    is trained, validated and tested on them."""

    ways: Annotated[int, Range(2)]
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
    """An image set: its ``source``, the ``side`` of its images in pixels, the ``split`` of its
    characters, and each recipe's kinds of episodes by name."""

    source: SourceSettings
    side: Annotated[int, Range(4, 105)]
    split: CharacterSplitSettings
    paper: Mapping[str, EpisodeSettings] = field(default_factory=dict)
    tuned: Mapping[str, EpisodeSettings] = field(default_factory=dict)

    def kinds(self, recipe: str) -> Mapping[str, EpisodeSettings]:
        """The kinds of episodes in a recipe, by name."""
        return {"paper": self.paper, "tuned": self.tuned}.get(recipe, {})


@dataclass(frozen=True)
class FewShotSettings:
    """The active image sets ``images``, the active kinds of ``episodes``, and the settings of all
    ``sets`` by name."""

    images: tuple[str, ...] = ()
    episodes: tuple[str, ...] = ()
    sets: Mapping[str, ImageSetSettings] = field(default_factory=dict)

    def set_of(self, name: str) -> ImageSetSettings:
        """Settings of one image set. Raises ParamsError if there are none."""
        where = "few-shot.sets in params.yaml"
        choose("image set", name, self.sets, where, "name one of these, or add its block")
        return self.sets[name]

    def kind_of(self, name: str, recipe: str, episodes: str) -> EpisodeSettings:
        """One kind of episodes of an image set. Raises ParamsError if the recipe lacks it."""
        kinds = self.set_of(name).kinds(recipe)
        where = f"few-shot.sets.{name}.{recipe} in params.yaml"
        choose("kind of episodes", episodes, kinds, where, "add its section, or correct the name")
        return kinds[episodes]


def few_shot_faults(section: FewShotSettings, recipe: str) -> list[str]:
    """Messages about faults in the settings of the active image sets."""
    absent = [
        f"few-shot.images: {name!r} is active but has no block; {nearest(name, section.sets)}"
        for name in section.images
        if name not in section.sets
    ]
    lacking = [
        f"few-shot.sets.{name}.{recipe}: there are no episodes {kind!r}"
        for name in section.images
        for kind in section.episodes
        if name in section.sets and kind not in section.sets[name].kinds(recipe)
    ]
    untested = [
        f"few-shot.sets.{name}.{recipe}.{kind}.test.queries: got [], expected at least one number"
        for name, block in section.sets.items()
        for kind, settings in block.kinds(recipe).items()
        if not settings.test.queries
    ]
    return [*absent, *lacking, *untested]
