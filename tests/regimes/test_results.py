"""Results of a pool, from predictions: paired tests over draws and rows, in two families."""

import pytest
import torch

from emm.metrics.ranking import auc
from emm.metrics.significance import holm
from emm.metrics.uncertainty import ScoredRows, compare_procedures
from emm.regimes.results import pool_results

ABOUT = {
    "joint_rows": 900,
    "members": {"a": [0.5, 0.7]},
    "fits": [
        {"rows": rows, "draw": draw, "steps": [{"step": "weights", "taken": draw == 0}]}
        for rows in (100, 0)
        for draw in (0, 1)
    ],
}


def test_differences_and_their_corrections() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.bernoulli(torch.full((300,), 0.4), generator=generator)
    found = {
        f"{method}/{rows}/{draw}": labels * strength + torch.randn(300, generator=generator)
        for method, strength in (("emm", 1.2), ("average", 1.0), ("best", 0.8), ("mmoe", 0.5))
        for rows in (0, 100)
        for draw in (0, 1)
    }
    scratch = {key: found.pop(key) for key in [*found] if key.startswith("mmoe")}
    results = pool_results("d", "p", "t", labels, (found, scratch), ABOUT)
    few, every = results.sizes
    assert (few.rows, few.all, every.rows, every.all) == (100, False, 900, True)
    assert results.members == {"a": pytest.approx(0.6)}
    assert few.steps == {"weights": 1}

    def scored(method: str, rows: int) -> ScoredRows:
        both = found | scratch
        return ScoredRows(torch.stack([both[f"{method}/{rows}/{d}"] for d in (0, 1)]), labels)

    families = (
        [("average", 100), ("average", 0)],
        [(m, r) for r in (100, 0) for m in ("best", "mmoe")],
    )
    for family in families:
        pairs = [compare_procedures(scored("emm", r), scored(m, r), paired=True) for m, r in family]
        adjusted = holm([each.p for each in pairs])
        for (method, rows), pair, p in zip(family, pairs, adjusted, strict=True):
            own = (every if rows == 0 else few).differences[method]
            assert own.value == pytest.approx(pair.value)
            assert own.p == pytest.approx(pair.p)
            assert own.holm == pytest.approx(p)
            draws = [
                auc((found | scratch)[f"emm/{rows}/{d}"], labels)
                > auc((found | scratch)[f"{method}/{rows}/{d}"], labels)
                for d in (0, 1)
            ]
            assert own.better == sum(draws)
