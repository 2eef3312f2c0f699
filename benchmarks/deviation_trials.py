"""The trials of `benchmarks/deviations.py`: published ways as changes of the paper's recipe."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SEARCH_ROWS = 50_000

SMALL_SEARCH: dict[str, Any] = {
    "search.automtl.experts": 3,
    "search.automtl.layers": 1,
    "search.automtl.operators": ["identity", "mlp-16", "mlp-64"],
    "search.automtl.discretised": 2,
    "search.automtl.batch_size": 512,
    "search.automtl.architecture_learning_rate": 0.005,
}
"""Of all trials of AutoMTL: a space, and steps, for a sample of train."""


COMMON: dict[str, Any] = {"training.patience": 3}
"""Of all trials: the study's patience, which costs less than the recipe's."""


@dataclass(frozen=True)
class Trial:
    """A model trained with a changed recipe.

    ``changes``: values by key of the recipe; ``rows``: of train, a random sample, None: all. An
    architecture is searched for with each seed.
    """

    model: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    rows: int | None = None


def _train(model: str, **changes: Any) -> Trial:
    return Trial(model, {f"train.{model}.{key}": value for key, value in changes.items()})


def _automtl(train: Mapping[str, Any], **search: Any) -> Trial:
    changes = {
        **SMALL_SEARCH,
        **{f"search.automtl.{key}": value for key, value in search.items()},
        **{f"train.automtl.{key}": value for key, value in train.items()},
    }
    return Trial("automtl", changes, SEARCH_ROWS)


def _both(**changes: Any) -> Trial:
    """A change of AutoMTL's network, in the search and in training."""
    return _automtl(changes, **changes)


NETWORK = {"stem": False, "operator_norm": "hidden", "softmax": "all"}
DECAY = {"weight_decay": 1e-5, "architecture_weight_decay": 1e-6}
SEARCH = {"folds": 1, "dense_gates": False, "certainty": "entropy", "joint": 0, **DECAY}
PUBLISHED = {**NETWORK, "start": "search", "weight_decay": 1e-5}

TRIALS: dict[str, Trial] = {
    "adatt": _train("adatt"),
    "adatt-published": _train("adatt", norm=False, gate_bias=True, native="random"),
    "automtl": _automtl({}),
    "automtl-published": _automtl(PUBLISHED, **NETWORK, **SEARCH, open_gates="always"),
    "mmoe": _train("mmoe"),
    "mmoe-8": _train("mmoe", expert=[8]),
    "aitm": _train("aitm"),
    "aitm-no-biases": _train("aitm", biases=False),
    "emm": Trial("emm_paper"),
    "emm-linear": _train("emm_paper", projections="linear"),
    "emm-no-bias": _train("emm_paper", projections="linear-no-bias"),
    "automtl-all-rows": _automtl({}, folds=1),
    "automtl-open-warm-up": _automtl({}, open_gates="warm-up"),
    "automtl-open-always": _automtl({}, open_gates="always"),
    "automtl-softmax-all": _both(softmax="all"),
    "automtl-dense-ungated": _automtl({}, dense_gates=False),
    "automtl-no-stem": _both(stem=False),
    "automtl-hidden-norm": _both(operator_norm="hidden"),
    "automtl-entropy": _automtl({}, certainty="entropy"),
    "automtl-no-joint": _automtl({}, joint=0),
    "automtl-decay": _automtl({"weight_decay": 1e-5}, **DECAY),
    "automtl-from-search": _automtl({"start": "search"}),
    "adatt-no-norm": _train("adatt", norm=False),
    "adatt-native-random": _train("adatt", native="random"),
    "adatt-native-fixed": _train("adatt", native="fixed"),
    "adatt-gate-bias": _train("adatt", gate_bias=True),
    "adatt-shared": _train("adatt", shared=True),
    "ple": _train("ple"),
    "ple-8": _train("ple", expert=[8]),
    "aitm-8": _train("aitm", bottom=[8]),
    "adatt-8": _train("adatt", expert=[8]),
    "mmoe-patience-50": Trial("mmoe", {"training.patience": 50}),
}
"""In the order in which they run."""
