"""False alarms and power of the comparison of rates, on seeded draws."""

import numpy as np
import pytest
from numpy.typing import NDArray

from emm.data.prepare.checks.rates import Clusters, combined, rate_p
from tests.data.prepare.checks.labels_of_users import counted, effect_of, users

SIGNIFICANCE = 0.001


def test_honest_random_splits_of_a_rare_label_seldom_differ() -> None:
    generator = np.random.default_rng(0)
    p = []
    for _ in range(300):
        label = generator.random(4000) < 0.01
        train, test = label[:3600], label[3600:]
        pair = counted(train.sum(), 3600), counted(test.sum(), 400)
        p.append(rate_p(*pair, 1, Clusters()))
    assert np.mean(np.array(p) < 0.05) <= 0.06
    assert min(p) > SIGNIFICANCE / 4


def p_by_key(keys: NDArray[np.int64], values: NDArray, *, known: bool) -> tuple[float, float]:
    """P values of a split by key, of a test that knows the keys and of one that doesn't."""
    test = keys < 30
    parts = [~test, test]
    counts = [counted(int(values[part].sum()), int(part.sum())) for part in parts]
    train = effect_of(keys[~test], values[~test])
    other = effect_of(keys[test], values[test]) if known else Clusters()
    clusters = combined(train, other, float(test.sum() / (~test).sum()))
    return rate_p(*counts, 1, clusters), rate_p(*counts, 1, Clusters())


@pytest.mark.parametrize("known", [True, False])
def test_honest_splits_by_key_seldom_differ_where_the_keys_count(known: bool) -> None:
    generator = np.random.default_rng(1)
    p = np.array([p_by_key(*users(generator, 0.12), known=known) for _ in range(200)])
    by_key, by_row = (p < 0.05).mean(axis=0)
    assert by_key <= 0.06
    assert by_row > 0.15
    assert p[:, 0].min() > SIGNIFICANCE / 4


@pytest.mark.parametrize(("rate", "shifted"), [(0.01, 0.025), (0.12, 0.2)])
def test_a_real_shift_is_found(rate: float, shifted: float) -> None:
    generator = np.random.default_rng(2)
    train, test = generator.random(40_000) < rate, generator.random(5000) < shifted
    pair = counted(train.sum(), 40_000), counted(test.sum(), 5000)
    assert rate_p(*pair, 1, Clusters()) < SIGNIFICANCE / 100


def test_a_real_shift_is_found_among_users() -> None:
    generator = np.random.default_rng(3)
    keys, values = users(generator, 0.1)
    more, others = users(generator, 0.4)
    counts = [counted(int(v.sum()), len(v)) for v in (values, others)]
    clusters = combined(effect_of(keys, values), effect_of(more, others), 1.0)
    assert rate_p(*counts, 1, clusters) < SIGNIFICANCE / 100
