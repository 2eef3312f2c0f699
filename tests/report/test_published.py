"""The published AUCs: some of the paper's values, and its Gain computed from them."""

import pytest

from emm.report.published import PUBLISHED, published_auc


@pytest.mark.parametrize(
    ("dataset", "model", "task", "auc"),
    [
        ("census-income", "aitm", "income", 0.94527),
        ("census-income", "adatt", "never-married", 0.99479),
        ("ali-ccp", "emm_paper", "purchase", 0.59916),
        ("ali-ccp", "tm-2", "click", 0.62324),
        ("aliexpress-us", "ple", "conversion", 0.81261),
        ("aliexpress-us", "mmoe", "click", 0.69988),
        ("census-income", "paper_scratch", "income", 0.94088),
        ("ali-ccp", "paper_scratch_mtm", "click", 0.61483),
        ("aliexpress-us", "paper_pool", "conversion", 0.71285),
        ("census-income", "gbdt", "income", None),
        ("census-income", "emm_paper", "education", None),
        ("movies", "emm_paper", "income", None),
    ],
)
def test_published_auc(dataset: str, model: str, task: str, auc: float | None) -> None:
    assert published_auc(dataset, model, task) == auc


@pytest.mark.parametrize(
    ("dataset", "model", "task", "gain"),
    [
        ("census-income", "emm_paper", "income", 0.02234),
        ("census-income", "emm_paper", "never-married", 0.00174),
        ("ali-ccp", "ple", "purchase", -0.03957),
        ("ali-ccp", "emm_paper", "click", -0.00714),
        ("aliexpress-us", "adatt", "conversion", -0.16327),
        ("aliexpress-us", "emm_paper", "click", -0.00024),
    ],
)
def test_published_gain_follows_from_the_aucs(
    dataset: str, model: str, task: str, gain: float
) -> None:
    table = PUBLISHED[dataset]
    baseline = (table["tm-1"][task] + table["tm-2"][task]) / 2
    assert table[model][task] - baseline == pytest.approx(gain, abs=1.1e-5)
