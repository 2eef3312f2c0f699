"""Whether the splits have the same rates of positives and classes, and means of regressions.

A split differs from train if the difference is both too large to be chance and large enough to
matter. Without a key, the test is Fisher's exact test of the two counts, or Welch's t-test of the
two means. The rows of a key, such as a user, resemble each other; there, counts are first divided
by the design effect (Rao and Scott, Biometrics 1992): the variance of the rate over keys, by the
ratio estimator, as a multiple of its variance over independent rows. P values are multiplied by the
number of comparisons (Bonferroni).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from emm.data.prepare.checks.labels import Found, Labels, class_names, has_all
from emm.data.prepare.checks.table import KEY, label
from emm.data.tables.schema import CLASSES, Schema

_REST = ("validation", "test")


class Clusters(NamedTuple):
    """Keys as clusters of labelled rows.

    ``effect``: design effect, at least 1; ``keys``: effective number of keys, infinite if rows are
    independent.
    """

    effect: float = 1.0
    keys: float = math.inf


@dataclass(frozen=True)
class Difference:
    """A rate or mean of a split that differs from train's.

    Args:
        what: the split and the rates, in words.
        size: relative difference of the rarer label's rate, or of means in standard deviations.
        p: probability of a difference at least as large by chance, for one comparison.
    """

    what: str
    size: float
    p: float


def differences(
    splits: Mapping[str, pl.LazyFrame], found: Found, schema: Schema
) -> list[Difference]:
    """Compare the labels of validation and test with those of train, task by task.

    Tasks that lack a class in a split are left out. ``splits`` have own names.
    """
    compared = list[Difference]()
    for number, task in enumerate(schema.tasks):
        if not has_all(found, schema, task):
            continue
        several = schema.kind(task) == CLASSES
        for each in range(len(schema.classes[task])) if several else (None,):
            train = _clusters(splits["train"], schema, number, each)
            for split in _REST:
                other = _clusters(splits[split], schema, number, each)
                pair = found["train"][task], found[split][task]
                clusters = combined(train, other, pair[1].labelled / pair[0].labelled)
                compared.append(_compare(split, task, each, *pair, clusters, schema))
    return compared


def drifts(compared: list[Difference], most: float, significance: float) -> list[str]:
    """Faults: differences above ``most`` that aren't chance at the level ``significance``."""
    adjusted = [(each, min(1.0, each.p * len(compared))) for each in compared]
    return [
        f"{each.what}: a difference of {each.size:.3g}, more than {most:g}, and p = {p:.2g} after "
        f"correction for {len(compared)} comparisons, below {significance:g}: was the split made "
        "as intended?"
        for each, p in adjusted
        if each.size > most and p < significance
    ]


def combined(train: Clusters, other: Clusters, size: float) -> Clusters:
    """The larger design effect of two splits, and the number of keys in the smaller.

    Encoded keys of the other split may be unknown; then it has as many as its ``size``, as a
    multiple of train's rows, lets expect.
    """
    keys = min(train.keys, other.keys, train.keys * size)
    return Clusters(max(train.effect, other.effect), keys)


def _compare(
    split: str,
    task: str,
    each: int | None,
    train: Labels,
    other: Labels,
    clusters: Clusters,
    schema: Schema,
) -> Difference:
    if not train.counts:
        what = (
            f"{split}: the mean of {task!r} is {other.mean - train.mean:+.4f} standard deviations "
            "from train's"
        )
        return Difference(what, abs(other.mean - train.mean), mean_p(train, other, clusters))
    positive = 1 if each is None else each
    rate, base = other.rates[positive], train.rates[positive]
    are = "positive" if each is None else f"of class {class_names(schema, task)[each]!r}"
    return Difference(
        f"{split}: {rate:.4%} of {task!r} are {are}, {base:.4%} in train",
        abs(rate - base) / min(base, 1 - base),
        rate_p(train, other, positive, clusters),
    )


def rate_p(train: Labels, other: Labels, positive: int, clusters: Clusters) -> float:
    """P value of the difference of two rates: Fisher's exact test of effective counts.

    With few keys also a t-test, of which the larger p value counts.
    """
    from scipy.stats import fisher_exact

    pairs = [(split.counts[positive], split.labelled) for split in (train, other)]
    table = []
    for count, rows in pairs:
        effective = round(count / clusters.effect)
        table.append((effective, max(effective, round(rows / clusters.effect)) - effective))
    p = float(fisher_exact(table).pvalue)
    pooled = sum(count for count, _ in pairs) / sum(rows for _, rows in pairs)
    variance = clusters.effect * pooled * (1 - pooled) * sum(1 / rows for _, rows in pairs)
    rates = [count / rows for count, rows in pairs]
    return max(p, _t_test((rates[1] - rates[0]) / math.sqrt(variance), clusters.keys))


def mean_p(train: Labels, other: Labels, clusters: Clusters) -> float:
    """P value of the difference of two means: Welch's t-test with effective numbers of rows."""
    from scipy.stats import ttest_ind_from_stats

    found = ttest_ind_from_stats(
        *(train.mean, math.sqrt(train.variance), train.labelled / clusters.effect),
        *(other.mean, math.sqrt(other.variance), other.labelled / clusters.effect),
        equal_var=False,
    )
    p = float(found.pvalue)
    return max(p, _t_test(float(found.statistic), clusters.keys))


def _t_test(statistic: float, keys: float) -> float:
    """Two-sided p of a statistic whose variance was estimated from so many keys; 0 without."""
    from scipy.stats import t

    if math.isinf(keys):
        return 0.0
    return 2 * float(t.sf(abs(statistic), max(1.0, keys - 1)))


def _clusters(rows: pl.LazyFrame, schema: Schema, number: int, each: int | None) -> Clusters:
    """The design effect of a task's labels in the rows of a split.

    Ids 0 of an encoded key, and null, are the keys of several users or of none: their rows are left
    out.
    """
    if schema.key is None:
        return Clusters()
    value = pl.col(label(number))
    value = value.cast(pl.Float64) if each is None else (value == each).cast(pl.Float64)
    known = pl.col(KEY).is_not_null()
    if schema.key in schema.sparse_names:
        known &= pl.col(KEY) > 0
    sums = (
        rows.select(KEY, value.alias("value"))
        .filter(known & pl.col("value").is_not_null())
        .group_by(KEY)
        .agg(
            pl.len().cast(pl.Float64).alias("rows"),
            pl.col("value").sum().alias("sum"),
            (pl.col("value") ** 2).sum().alias("squares"),
        )
        .collect(engine="streaming")
    )
    counts, totals, squares = (sums[name].to_numpy() for name in ("rows", "sum", "squares"))
    return design_effect(counts, totals, float(squares.sum()))


def design_effect(counts: np.ndarray, totals: np.ndarray, squares: float) -> Clusters:
    """Design effect of the mean of values in K clusters.

    Args:
        counts: [K] rows of each cluster.
        totals: [K] sums of the values of each cluster.
        squares: sum of the squares of all values.
    """
    keys, rows = len(counts), float(counts.sum())
    if keys < 2:
        return Clusters()
    mean = totals.sum() / rows
    over_rows = (squares / rows - mean**2) / (rows - 1)
    if over_rows <= 0:
        return Clusters()
    over_keys = keys / (keys - 1) * float(((totals - mean * counts) ** 2).sum()) / rows**2
    effective = rows**2 / float((counts**2).sum())
    return Clusters(max(1.0, over_keys / over_rows), effective)
