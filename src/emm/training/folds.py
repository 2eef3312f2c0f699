"""The rows of train that a trained model of the pool learns on."""

from dataclasses import dataclass
from pathlib import Path

from emm.config import FusionSettings
from emm.data.tables.batches import Rows
from emm.data.tables.folds import without_fold


@dataclass(frozen=True)
class Part:
    """One training of a model: on all rows of train, or without one fold of them.

    ``fold``: the fold left out, None for all rows; ``main``: whether it is the pool's own model,
    and not one of those that speak for a fold.
    """

    fold: int | None
    main: bool

    @property
    def names(self) -> tuple[str, ...]:
        """What tells its run apart from that of the pool's own model."""
        return () if self.main else (f"fold-{self.fold}",)

    def rows(self, train: Rows, fusion: FusionSettings, seed: int) -> Rows:
        """The rows of ``train`` that it learns on."""
        if self.fold is None:
            return train
        return without_fold(train, self.fold, fusion.folds, seed)

    def folder(self, seed: Path) -> Path:
        """Where its model is kept, below the folder of its seed."""
        return seed.joinpath(*self.names)


def parts(fusion: FusionSettings, *, in_pool: bool = True) -> list[Part]:
    """The trainings that ``fusion.fit_on`` asks of a model, its own first.

    One that isn't ``in_pool`` learns on all rows, and speaks for no fold.
    """
    if not in_pool:
        return [Part(None, main=True)]
    if fusion.fit_on == "held-out":
        return [Part(0, main=True)]
    folds = range(fusion.folds if fusion.fit_on == "out-of-fold" else 0)
    return [Part(None, main=True), *(Part(fold, main=False) for fold in folds)]
