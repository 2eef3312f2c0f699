"""Sentences say what the numbers show: where EMM is above, below, or not the best."""

from emm.regimes.pages.sentences import overall_sentences, pool_sentences, steps_sentence
from emm.regimes.results import Difference, PoolResults, Score, Size

TITLES = {"tiny": "Tiny"}


def size(rows: int, emm: float, others: dict[str, float], p: float) -> Size:
    """Scores of EMM and the others, all differences with this p value."""

    def score(auc: float) -> Score:
        return Score(auc, auc - 0.01, auc + 0.01, (auc, auc))

    def difference(auc: float) -> Difference:
        value = emm - auc
        return Difference(value, 0.001, value - 0.002, value + 0.002, p, p, 2)

    scores = {"emm": score(emm)} | {name: score(auc) for name, auc in others.items()}
    differences = {name: difference(auc) for name, auc in others.items()}
    return Size(rows, False, scores, differences, {"weights": 1, "gate": 0})


def results(*sizes: Size) -> list[PoolResults]:
    return [PoolResults(1, "tiny", "groups", "t0", {}, 100, 10, sizes)]


def text(*sizes: Size) -> str:
    found = results(*sizes)
    return " ".join([*overall_sentences(found), *pool_sentences(found, TITLES)])


def test_above_the_average_and_the_best() -> None:
    found = text(size(500, 0.95, {"average": 0.94, "bagged_trees": 0.90}, 0.001))
    assert "EMM has the highest mean AUC in 1" in found
    assert "EMM is above the average of its pool by +0.0100 (95 % interval" in found
    assert "EMM is above bagged trees that learn on the joint rows only, with every" in found
    assert "nowhere below that of the average" in found
    assert "is that of" not in found


def test_below_the_average() -> None:
    found = text(size(500, 0.93, {"average": 0.94, "bagged_trees": 0.90}, 0.001))
    assert "EMM is below the average of its pool: -0.0100" in found
    assert "below that of the average in 1 of 1, by 0.0100 at most; in 1 of them" in found
    assert (
        "500 rows: the highest mean AUC, 0.9400, is that of the average; "
        "EMM has 0.9300, lower beyond noise." in found
    )


def test_within_noise() -> None:
    found = text(size(2000, 0.94, {"average": 0.9395, "bagged_trees": 0.9402}, 0.4))
    assert "don't differ beyond noise; the differences are +0.0005 to +0.0005" in found
    assert (
        "EMM is not above bagged trees that learn on the joint rows only, beyond noise, "
        "with 2,000 rows"
    ) in found
    assert (
        "0.9402, is that of bagged trees, from scratch; EMM has 0.9400, lower by no more" in found
    )


def test_who_shares_the_highest_score_with_emm_is_not_the_best() -> None:
    found = text(size(500, 0.94, {"average": 0.94, "bagged_trees": 0.9}, 1.0))
    assert "is that of" not in found


def test_steps_that_were_taken() -> None:
    (found,) = results(size(500, 0.94, {"average": 0.94}, 1.0))
    assert steps_sentence(found) == "Steps taken, in draws: 500: weights 1 of 2."
