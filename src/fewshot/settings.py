"""The `few-shot` section: sets of images, and what MAML learns on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from emm.config.binding import Count, OneOf, Positive, Range, Share, choose, nearest
from emm.config.data import SourceParams

Seed = Annotated[int, Range(0)]


@dataclass(frozen=True)
class CharacterSplitParams:
    """So many characters are drawn to train on and to choose by; the rest is tested on."""

    seed: Seed
    train: Count
    validation: Count


@dataclass(frozen=True)
class MetaNetworkParams:
    """``blocks`` of a convolution with ``filters`` channels; ``pooled``: the classes are told from
    the mean over positions."""

    filters: Count
    blocks: Count
    pooled: bool


@dataclass(frozen=True)
class MetaTrainingParams:
    """MAML's two loops.

    A batch has ``tasks`` with ``queries`` images of each class. ``order``: 2 for the gradient
    through the inner steps, 1 for its first-order part. ``course`` of the outer learning rate; a
    cosine is at zero after ``course_iterations`` (null: all of them). ``multi_step``: iterations in
    which the query loss after each inner step counts, less and less. ``average``: decay per
    iteration of averaged weights that are validated and kept, 0 for none, from iteration
    ``average_from`` on.
    """

    iterations: Count
    tasks: Count
    queries: Count
    inner_rate: Positive
    inner_steps: Count
    learning_rate: Positive
    order: Annotated[int, Range(1, 2)] = 2
    course: Annotated[str, OneOf("constant", "cosine")] = "constant"
    course_iterations: Count | None = None
    multi_step: Annotated[int, Range(0)] = 0
    average: Share = 0.0
    average_from: Annotated[int, Range(0)] = 0


@dataclass(frozen=True)
class MetaTestParams:
    """How a network is tested after ``inner_steps``: on ``episodes`` with so many query images of
    each class, once for each of ``queries``."""

    episodes: Annotated[int, Range(2)]
    queries: tuple[Count, ...]
    inner_steps: Count


@dataclass(frozen=True)
class MetaValidationParams:
    """A validation after ``every`` so many iterations, from where training can go on after an
    interruption: ``episodes`` with ``queries`` images of each class, after ``inner_steps``."""

    every: Count
    episodes: Annotated[int, Range(2)]
    queries: Count
    inner_steps: Count


@dataclass(frozen=True)
class MetaParams:
    """One kind of episodes: ``ways`` classes with ``shots`` support images each, and everything
    that is done with them."""

    ways: Annotated[int, Range(2)]
    shots: Count
    seed: Seed
    device: str
    threads: Count
    network: MetaNetworkParams
    training: MetaTrainingParams
    validation: MetaValidationParams
    test: MetaTestParams


@dataclass(frozen=True)
class ImageSetParams:
    """A set of images: its ``source``, the ``side`` of its images in pixels, the split of its
    characters, and each recipe's kinds of episodes."""

    source: SourceParams
    side: Annotated[int, Range(4, 105)]
    split: CharacterSplitParams
    paper: Mapping[str, MetaParams] = field(default_factory=dict)
    tuned: Mapping[str, MetaParams] = field(default_factory=dict)

    def kinds(self, recipe: str) -> Mapping[str, MetaParams]:
        """A recipe's kinds of episodes, by name."""
        return {"paper": self.paper, "tuned": self.tuned}.get(recipe, {})


@dataclass(frozen=True)
class FewShotParams:
    """The active ``images``, the kinds of ``episodes`` to learn on them, and a block for each of
    the ``sets``."""

    images: tuple[str, ...] = ()
    episodes: tuple[str, ...] = ()
    sets: Mapping[str, ImageSetParams] = field(default_factory=dict)

    def set_of(self, name: str) -> ImageSetParams:
        """The block of one set; ParamsError if there is none."""
        where = "few-shot.sets in params.yaml"
        choose("set of images", name, self.sets, where, "name one of these, or add its block")
        return self.sets[name]

    def kind_of(self, name: str, recipe: str, episodes: str) -> MetaParams:
        """One kind of episodes of a set; ParamsError if the recipe has none of that name."""
        kinds = self.set_of(name).kinds(recipe)
        where = f"few-shot.sets.{name}.{recipe} in params.yaml"
        choose("kind of episodes", episodes, kinds, where, "add its section, or correct the name")
        return kinds[episodes]


def few_shot_faults(section: FewShotParams, recipe: str) -> list[str]:
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
