"""The file of the regimes: datasets, pools of members, numbers of joint rows, draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from emm.config.binding import Count, bind, raise_all
from emm.config.files import read_layers
from emm.core.errors import choose
from emm.training.part_settings import Part

REGIMES_FILE = Path("study/regimes/regimes.yaml")

SCRATCH = "scratch"
"""Takes the place of a pool's name for the models that are trained on the joint rows only."""

ALL = 0
"""Number of joint rows that stands for all of them."""

Learner = Literal["lightgbm", "scikit-learn"]


@dataclass(frozen=True)
class Member(Part):
    """A member of a pool, which learns on the half of train without joint rows.

    Attributes:
        learner: what is trained.
        task: whose label it learns; null: the one of the dataset's regimes.
        sample: number of rows that it learns on, a random sample; null: all.
        half: 1 or 2, of its rows, so that two members share none; null: all.
    """

    learner: Learner = "lightgbm"
    task: str | None = None
    sample: Count | None = None
    half: Annotated[int, Field(ge=1, le=2)] | None = None


@dataclass(frozen=True)
class Pool:
    """The members of a pool, by name; ``about``: what they are, for the page."""

    about: str
    members: Annotated[Mapping[str, Member], Field(min_length=1)]

    @property
    def routed(self) -> bool:
        """Whether every member has rows of its own, so that a row's group names its member."""
        return len(self.members) > 1 and all(each.rows for each in self.members.values())


@dataclass(frozen=True)
class DatasetRegimes:
    """The regimes of a dataset: of which task, and from which pools."""

    title: str
    task: str
    pools: Mapping[str, Pool]


@dataclass(frozen=True)
class Regimes:
    """All regimes.

    Attributes:
        rows: numbers of joint rows; all of them are tried, too.
        most: joint rows, at most; of a larger half, so many are drawn.
        draws: of fewer than ``many`` joint rows; otherwise ``draws_of_many``.
        folds: of the cross-validation on the joint rows.
        pools: titles of the pools, in the order of the page.
    """

    datasets: Mapping[str, DatasetRegimes]
    pools: Mapping[str, str]
    rows: tuple[Count, ...] = (500, 2000, 10_000, 50_000)
    most: Count = 50_000
    draws: Annotated[int, Field(ge=2)] = 5
    many: Count = 20_000
    draws_of_many: Annotated[int, Field(ge=2)] = 3
    folds: Annotated[int, Field(ge=2)] = 5

    def sizes(self, half: int) -> tuple[int, ...]:
        """The numbers of joint rows, of a half of so many rows; the last is all of them."""
        most = min(half, self.most)
        return (*(rows for rows in self.rows if rows < most), most)

    def draws_of(self, rows: int) -> int:
        """The number of draws of so many joint rows."""
        return self.draws if rows < self.many else self.draws_of_many


def load_regimes(path: Path = REGIMES_FILE) -> Regimes:
    """Read the file. Raises ParamsError for whatever is wrong with it."""
    errors: list[str] = []
    found: Regimes = bind(Regimes, read_layers(path), "", errors)
    raise_all(errors, str(path))
    for name, dataset in found.datasets.items():
        for pool in dataset.pools:
            choose("pool", pool, found.pools, f"{path}: datasets.{name}", "give it a title")
    return found


def pool_of(regimes: Regimes, dataset: str, pool: str, path: Path = REGIMES_FILE) -> Pool | None:
    """A pool of a dataset, None for `SCRATCH`. Raises ParamsError for a name the file lacks."""
    choose("dataset", dataset, regimes.datasets, path, "name one of its datasets")
    if pool == SCRATCH:
        return None
    pools = regimes.datasets[dataset].pools
    choose("pool", pool, [*pools, SCRATCH], f"{path}: {dataset}", "name one of its pools")
    return pools[pool]
