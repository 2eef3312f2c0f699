"""Settings of preprocessing and of the checks of processed data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from emm.config.binding import Count, Positive, Seed, Share, raise_all
from emm.config.project import ConfigFile


@dataclass(frozen=True)
class SampleSettings:
    """A part of the rows: a ``fraction``, or about so many ``rows`` of train.

    ``key``: a column, such as the user, whose values are taken with all of their rows.
    """

    fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    rows: Count | None = None
    key: str | None = None


@dataclass(frozen=True)
class PreprocessSettings:
    """How raw rows become encoded splits.

    Attributes:
        seed: of the split.
        rare_below: a value seen fewer times than this in train becomes id 0.
        max_rejected: share of lines that may be left out because they can't be used.
        sample: take a part of the rows only.
        bags: keep all values of multi-valued fields, where the dataset has such.
        funnel: two tasks, such as click and purchase, of which the second happens only after the
            first.
        keep: columns that are kept next to the features, unencoded, for GAUC.
        raw: raw columns that are kept for models from outside, as they are in the raw files.
        weight: the column that weighs a row in the training loss, in place of the dataset's.
    """

    seed: Seed = 0
    rare_below: Count = 1
    max_rejected: Share = 0.001
    sample: SampleSettings | None = None
    bags: bool = False
    funnel: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    weight: str | None = None
    raw: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckSettings:
    """When `check-data` stops the pipeline.

    A rate, or a regression's mean, differs from train's if the difference is above
    ``max_rate_difference`` and isn't chance at the level ``rate_significance``.

    Attributes:
        max_column_auc: a single column that ranks a task better than this counts as a leak.
        max_rate_difference: relative difference of the rate of a binary task's rarer label, or of a
            class; of a regression's means, in standard deviations of train.
        rate_significance: p value below which a difference isn't chance, corrected for the number
            of comparisons.
        max_shared_rows: share of the rows of validation or test whose features and labels a row of
            train has, too.
    """

    max_column_auc: Annotated[float, Field(ge=0.5, le=1)] = 0.95
    max_rate_difference: Positive = 0.5
    rate_significance: Share = 0.001
    max_shared_rows: Share = 0.05


def read_tasks(data: ConfigFile) -> tuple[str, ...]:
    """The tasks of a dataset; ParamsError if there are none."""
    return data.read("tasks", Annotated[tuple[str, ...], Field(min_length=1)])  # type: ignore[arg-type]


def read_preprocess(data: ConfigFile, tasks: Sequence[str]) -> PreprocessSettings:
    """The section `preprocess`; ParamsError if it is wrong, or its funnel is none of the tasks'."""
    settings = data.read("preprocess", PreprocessSettings)
    raise_all(list(_funnel_faults(settings.funnel, tasks)), str(data.path))
    return settings


def _funnel_faults(funnel: Sequence[str], tasks: Sequence[str]) -> Iterator[str]:
    if funnel and (len(funnel) != 2 or len({*funnel} & {*tasks}) != 2):
        yield f"preprocess.funnel: got {list(funnel)}, expected two of the tasks in order, or []"
    if funnel and "funnel" in tasks:
        yield "tasks: no task may be called 'funnel' next to preprocess.funnel"
