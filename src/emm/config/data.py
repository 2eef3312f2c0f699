"""What the stages on data read of a dataset's block."""

from dataclasses import dataclass
from typing import Annotated

from emm.config.binding import Count, Positive, Range, Share


@dataclass(frozen=True)
class SourceSettings:
    """``path``: a folder or file on this machine that holds the raw data, instead of a download."""

    path: str | None


@dataclass(frozen=True)
class SampleSettings:
    """A part of the rows: a ``fraction``, or about so many ``rows`` of train; ``key``: a column of
    which whole values are taken, such as the user."""

    fraction: Annotated[float, Range(0, 1, open_low=True)] | None = None
    rows: Count | None = None
    key: str | None = None


@dataclass(frozen=True)
class PreprocessSettings:
    """``rare_below``: a value seen fewer times than this in train becomes id 0; ``max_rejected``:
    the share of lines that may be left out because they can't be used; ``bags``: whole bags of
    multi-valued fields, where the dataset has such; ``funnel``: the two tasks, such as click and
    purchase, of which the second happens only after the first; ``keep``: columns that stay beside
    the features as they are, for `EvaluateSettings.gauc_key`."""

    seed: Annotated[int, Range(0)]
    rare_below: Count
    max_rejected: Share = 0.001
    sample: SampleSettings | None = None
    bags: bool = False
    funnel: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckSettings:
    """``max_column_auc``: a single column that ranks a task better than this is taken for a leak;
    ``rate_tolerance``: largest relative difference of a positive rate from that of train, and of a
    regression task's mean in standard deviations of train."""

    max_column_auc: Annotated[float, Range(0.5, 1)]
    rate_tolerance: Positive


@dataclass(frozen=True)
class DataParams:
    """``memory_gib``: what the rows of train and validation may take of the training device's
    memory, in GiB (null: two thirds of what is free); what doesn't fit is streamed."""

    memory_gib: Positive | None = None
