"""Which rows of train a member of the pool learns on: all, or all but one fold."""

from dataclasses import dataclass
from pathlib import Path

from emm.data.tables.folds import without_fold
from emm.data.tables.rows import Rows
from emm.training.settings import FoldSettings


@dataclass(frozen=True)
class FoldRun:
    """One training of a member: on all rows of train, or on all but one fold.

    ``left_out``: the fold left out of ``folds``, None for none; ``main``: whether the model is the
    member itself, and not one that only predicts the fold it was trained without.
    """

    left_out: int | None = None
    folds: int = 1
    main: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """What distinguishes this run from that of the member itself."""
        return () if self.main else (f"fold-{self.left_out}",)

    def rows(self, train: Rows, seed: int) -> Rows:
        """The rows of ``train`` that the model learns on."""
        if self.left_out is None:
            return train
        return without_fold(train, self.left_out, self.folds, seed)

    def folder(self, seed: Path) -> Path:
        """Where the model is stored, below the folder of its seed."""
        return seed.joinpath(*self.names)


def fold_runs(settings: FoldSettings | None) -> list[FoldRun]:
    """The trainings that one model needs, first that of the member itself.

    ``settings``: None for a model that is in no pool and learns on all rows.
    """
    if settings is None or settings.fit_on == "train":
        return [FoldRun()]
    if settings.fit_on == "held-out":
        return [FoldRun(0, settings.folds)]
    folds = range(settings.folds)
    return [FoldRun(), *(FoldRun(fold, settings.folds, main=False) for fold in folds)]
