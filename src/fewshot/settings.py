"""The `few-shot` section: sets of images, and what MAML learns on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from emm.config.binding import Count, OneOf, Positive, Range, Share, choose, nearest
from emm.config.data import SourceSettings

Seed = Annotated[int, Range(0)]


@dataclass(frozen=True)
class CharacterSplitSettings:
    """So many characters are drawn to train on and to choose by; the rest is tested on."""

    seed: Seed
    train: Count
    validation: Count


@dataclass(frozen=True)
class NetworkSettings:
    """``blocks`` of a convolution with ``filters`` channels; ``pooled``: the classes are told from
    the mean over positions."""

    filters: Count
    blocks: Count
    pooled: bool


@dataclass(frozen=True)
class MetaTrainingSettings:
    """MAML's two loops.

    A batch has ``tasks`` with ``queries`` images of each class. ``order``: 2 for the gradient
    through the inner steps, 1 for its first-order part. ``lr_schedule`` of the outer learning
    rate; a cosine is at zero after ``lr_schedule_iterations`` (null: all of them).
    ``multi_step``: iterations in which the query loss after each inner step counts, less and less.
    ``ema_decay``: decay per iteration of averaged weights that are validated and kept, 0 for
    none, from iteration ``ema_start`` on.
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
    """How a network is tested after ``inner_steps``: on ``episodes`` with so many query images of
    each class, once for each of ``queries``."""

    episodes: Annotated[int, Range(2)]
    queries: tuple[Count, ...]
    inner_steps: Count


@dataclass(frozen=True)
class MetaValidationSettings:
    """A validation after ``every`` so many iterations, from where training can go on after an
    interruption: ``episodes`` with ``queries`` images of each class, after ``inner_steps``."""

    every: Count
    episodes: Annotated[int, Range(2)]
    queries: Count
    inner_steps: Count


@dataclass(frozen=True)
class EpisodeSettings:
    """One kind of episodes: ``ways`` classes with ``shots`` support images each, and everything
    that is done with them."""

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
    """A set of images: its ``source``, the ``side`` of its images in pixels, the split of its
    characters, and each recipe's kinds of episodes."""

    source: SourceSettings
    side: Annotated[int, Range(4, 105)]
    split: CharacterSplitSettings
    paper: Mapping[str, EpisodeSettings] = field(default_factory=dict)
    tuned: Mapping[str, EpisodeSettings] = field(default_factory=dict)

    def kinds(self, recipe: str) -> Mapping[str, EpisodeSettings]:
        """A recipe's kinds of episodes, by name."""
        return {"paper": self.paper, "tuned": self.tuned}.get(recipe, {})


@dataclass(frozen=True)
class FewShotSettings:
    """The active ``images``, the kinds of ``episodes`` to learn on them, and a block for each of
    the ``sets``."""

    images: tuple[str, ...] = ()
    episodes: tuple[str, ...] = ()
    sets: Mapping[str, ImageSetSettings] = field(default_factory=dict)

    def set_of(self, name: str) -> ImageSetSettings:
        """The block of one set; ParamsError if there is none."""
        where = "few-shot.sets in params.yaml"
        choose("set of images", name, self.sets, where, "name one of these, or add its block")
        return self.sets[name]

    def kind_of(self, name: str, recipe: str, episodes: str) -> EpisodeSettings:
        """One kind of episodes of a set; ParamsError if the recipe has none of that name."""
        kinds = self.set_of(name).kinds(recipe)
        where = f"few-shot.sets.{name}.{recipe} in params.yaml"
        choose("kind of episodes", episodes, kinds, where, "add its section, or correct the name")
        return kinds[episodes]


def few_shot_faults(section: FewShotSettings, recipe: str) -> list[str]:
    """What is wrong with the active sets, as messages."""
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
