"""Test AUCs published in the EMM paper, for comparison with ours.

Zhou, Bao, Wang, Zhong, Zhang: Efficient Multi-Task Modeling through Automated Fusion of Trained
Models, arXiv:2504.09812, Tables I and II. The paper's task T1 comes first, then T2.
"""

from collections.abc import Mapping

CITATION = "[Zhou et al. 2025, Table I](https://arxiv.org/abs/2504.09812)"
CITATION_OF_BOTH = "[Zhou et al. 2025, Tables I and II](https://arxiv.org/abs/2504.09812)"

_TASKS = {
    "census-income": ("income", "never-married"),
    "ali-ccp": ("purchase", "click"),
    "aliexpress-us": ("conversion", "click"),
}

_TABLE_1 = {
    "tm-1": ((0.93009, 0.99230), (0.60862, 0.62297), (0.86524, 0.70310)),
    "tm-2": ((0.90739, 0.99356), (0.61937, 0.62324), (0.86958, 0.70880)),
    "ple": ((0.92528, 0.99465), (0.57442, 0.57975), (0.81261, 0.69853)),
    "mmoe": ((0.94051, 0.99437), (0.58419, 0.58951), (0.80499, 0.69988)),
    "aitm": ((0.94527, 0.99436), (0.57866, 0.58389), (0.78133, 0.69943)),
    "adatt": ((0.94523, 0.99479), (0.58076, 0.60080), (0.70414, 0.69111)),
    "emm_paper": ((0.94108, 0.99467), (0.59916, 0.61597), (0.85080, 0.70571)),
}

# The ablation: baseline, baseline+MTM and baseline+p. Its row "ours" is the EMM of Table I.
_TABLE_2 = {
    "paper_scratch": ((0.94088, 0.99383), (0.52897, 0.61216), (0.76183, 0.70159)),
    "paper_scratch_mtm": ((0.93215, 0.99376), (0.54757, 0.61483), (0.84987, 0.69863)),
    "paper_pool": ((0.92647, 0.99352), (0.53139, 0.58600), (0.71285, 0.69965)),
}

PUBLISHED: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    dataset: {
        model: dict(zip(tasks, aucs[column], strict=True))
        for model, aucs in (_TABLE_1 | _TABLE_2).items()
    }
    for column, (dataset, tasks) in enumerate(_TASKS.items())
}
"""Published test AUC by dataset, model (our name) and task."""


def published_auc(dataset: str, model: str, task: str) -> float | None:
    """Return the published test AUC, or None if the paper has none."""
    return PUBLISHED.get(dataset, {}).get(model, {}).get(task)
