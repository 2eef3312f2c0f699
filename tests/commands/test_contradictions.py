"""`emm check`: settings that are each valid and can't hold together."""

from collections.abc import Mapping
from typing import Any

import pytest

from emm.commands.contradictions import models
from emm.commands.contradictions.models import RULES, SEVERAL_GRADIENTS, TORCHJD
from emm.config.signatures import keywords_of
from emm.core.errors import ParamsError
from emm.data.datasets.dataset import DATASETS, load_dataset
from emm.data.datasets.known import KNOWN_TASKS, WEIGHTED
from emm.training.weighting import WEIGHTINGS, make_weighting
from emm.training.weighting.gradvac import GradVac
from emm.training.weighting.torchjd_rule import TorchJDRule
from tests.commands.copies import DATA, PAPER, Copy, put
from tests.configuration import CENSUS, Change, Tree

SHOP: Mapping[str, Any] = {
    "tasks": {
        "visit": "visited",
        "spend": {"expression": "amount", "kind": "regression"},
        "size": {"expression": "size", "kind": "classes"},
    },
    "split": {"by": "random", "validation": 0.2, "test": 0.2},
}


def custom(*tasks: str, **keys: object) -> Change:
    """Custom data with these tasks, and keys of the section `custom`."""

    def change(tree: Tree) -> None:
        tree.update(tasks=list(tasks), custom={**SHOP, **keys})

    return change


def uncut(*names: str) -> Change:
    """Structures whose networks aren't cut."""

    def change(tree: Tree) -> None:
        tree["pretrain"].update({name: {"network": "tabm"} for name in names})

    return change


def both(*changes: Change) -> Change:
    return lambda tree: [change(tree) for change in changes]


def test_networks_that_are_not_cut_join_others(copy: Copy) -> None:
    copy.edit(PAPER, uncut("tm-1"))
    copy.check()


def test_a_pool_without_networks_that_are_cut_suits_what_combines_logits(copy: Copy) -> None:
    copy.edit(PAPER, both(uncut("tm-1", "tm-2"), put("train.emm", variant="stacked")))
    copy.activate(fused=["emm", "ensemble"], table=["tm-1", "tm-2", "ensemble", "emm"])
    copy.check()


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"fused": ["emm", "tm-1"]}, "fused: 'tm-1' is in trained, too"),
        ({"baselines": ["mmoe", "gbdt"]}, "baselines: 'gbdt' is in trees, too"),
        ({"trained": ["tm 1"]}, "trained: got 'tm 1', expected letters, digits"),
        ({"datasets": ["../shop"]}, "datasets: got '../shop', expected letters, digits"),
    ],
    ids=str,
)
def test_lists_of_params_yaml(copy: Copy, lists: dict[str, object], message: str) -> None:
    copy.activate(**lists)
    assert message in copy.faults()


def test_a_trained_model_that_the_report_compares_with_is_in_its_table(copy: Copy) -> None:
    copy.activate(table=["tm-1", "gbdt", "emm"])
    assert "the trained model tm-2, which isn't in its table" in copy.faults()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(tasks=["incom"]), "has no task 'incom'; did you mean 'income'?"),
        (lambda t: t.update(tasks=["income", "income"]), "a task is listed twice"),
        (lambda t: t.update(dataset="shop"), "'shop' is neither a registered dataset nor descr"),
        (custom("visit", "fold-0", tasks={"visit": "v", "fold-0": "f"}), "can be called 'fold-0'"),
        (custom("visit", "a/b", tasks={"visit": "v", "a/b": "f"}), "can be called 'a/b'"),
        (
            both(custom("visit", "spend"), put("preprocess", funnel=["visit", "spend"])),
            "the funnel has the task 'spend', which isn't binary",
        ),
        (
            both(custom("visit", "size"), put("preprocess", funnel=["visit", "size"])),
            "got: kind: classes",
        ),
        (
            both(custom("visit", "spend", drop=["user"]), put("evaluate", gauc_key="user")),
            "gauc_key is 'user', which isn't stored as it is: the column is in drop",
        ),
        (
            both(custom("visit", "spend", dense=["user"]), put("evaluate", gauc_key="user")),
            "next: write `keep: [user]` in preprocess",
        ),
        (
            both(
                custom("visit", "spend", dense=["x"], sparse=["z"]), put("evaluate", gauc_key="u")
            ),
            "the column is in no list of columns",
        ),
        (custom("visit", key="visited"), "the label of 'visit' is also custom.key"),
        (
            custom("visit", split={**SHOP["split"], "by": "time", "column": "visited"}),
            "the label of 'visit' is also custom.split.column",
        ),
        (put("evaluate", gauc_key="user"), "gauc_key is 'user', which isn't stored as it is"),
        (
            both(custom("visit", "spend"), put("evaluate", sample_weights=True)),
            "evaluate.sample_weights\n  got: no column of weights",
        ),
    ],
)
def test_contradictions_of_data_yaml(copy: Copy, change: Change, message: str) -> None:
    copy.edit(DATA, change)
    assert message in copy.faults()


@pytest.mark.parametrize(
    "change",
    [
        both(
            custom("visit", "spend", drop=["user"]),
            put("evaluate", gauc_key="user"),
            put("preprocess", keep=["user"]),
        ),
        both(custom("visit", "spend", key="user"), put("evaluate", gauc_key="user")),
        both(custom("visit", "size"), put("preprocess", funnel=[])),
        put("evaluate", sample_weights=True),
        put("evaluate", gauc_key="education"),
        both(custom("visit", "spend", weight="w"), put("evaluate", sample_weights=True)),
    ],
)
def test_settings_of_data_yaml_that_agree(copy: Copy, change: Change) -> None:
    copy.edit(DATA, change)
    copy.check()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("training", seeds=[0, 1, 0]), "a seed is listed twice"),
        (put("training", device="gpu"), "no device is called 'gpu'"),
        (put("training", positive_weight={"incom": 2.0}), "positive_weight names 'incom'"),
        (put("train.mmoe", weighting={"rule": "equl"}), "no weighting rule is called 'equl'; did"),
        (put("train.mmoe", weighting={"rule": "dwa", "temp": 1}), "weighting.temp: unknown key"),
        (put("train.mmoe", weighting={"rule": "equal", "x": 1}), "weighting.x: unknown key"),
        (put("train.mmoe", weighting={"rule": "mgda", "x": 1}), "weighting.x: unknown key"),
        (put("train.mmoe", weighting={"rule": "cagrad", "c": -1}), "weighting.c: got -1, expected"),
        (
            put("train.mmoe", weighting={"rule": "aligned-mtl", "scale": "max"}),
            "weighting.scale: got 'max', expected",
        ),
        (
            put("train.mmoe", weighting={"rule": "fixed", "weights": [1.0]}),
            "got: 1 weights\n  expected: 2, one per task in the order income, never-married",
        ),
        (
            both(
                put("training", optimiser="lazy-adam"),
                put("train.ple", weighting={"rule": "pcgrad"}),
            ),
            "the weighting rule pcgrad compares whole gradients, which lazy-adam doesn't have",
        ),
        (put("fusion", trees=["lightgbm"]), "no boosted trees are called 'lightgbm'"),
        (put("train.emm", members=["tm-9"]), "the pool has no member 'tm-9'"),
        (put("train.emm", members=["gbdt"]), "the pool has no member 'gbdt'"),
        (
            put("train.emm", members=["tm-1/income"]),
            "where: FILE: train.emm.members\n  got: no member for never-married",
        ),
        (
            both(put("fusion", trees=["gbdt"]), put("train.emm", members=["gbdt"])),
            "and no network of its pool is cut into some",
        ),
        (
            uncut("tm-1", "tm-2"),
            "where: FILE: train.emm_paper\n  got: variant: paper, and only models of which the "
            "logits are used: tm-1, tm-2\n",
        ),
        (
            put("pretrain.tm-2", blocks=[[16, 4]]),
            "got: tm-1 ends with width 8, tm-2 ends with width 4",
        ),
        (put("pretrain.tm-2", blocks=[[]]), "tm-2 has no hidden layer to be cut at"),
        (
            both(put("fusion", fit_on="out-of-fold"), put("train.emm", fit_on="train")),
            "where: FILE: train.emm_paper\n  got: variant: paper\n  expected: variant: ensemble",
        ),
        (
            both(put("fusion", fit_on="out-of-fold"), put("train.emm_paper", fit_on="train")),
            "where: FILE: train.emm\n  got: start.towers: trained, merge: true\n"
            "  expected: start.towers: frozen, merge: false\n  next: write `fit_on: train` in",
        ),
    ],
)
def test_contradictions_of_a_recipe(copy: Copy, change: Change, message: str) -> None:
    copy.edit(PAPER, change)
    path = str(copy.params.parent / f"conf/{PAPER}.yaml")
    assert message.replace("FILE", path) in copy.faults()


@pytest.mark.parametrize(
    "change",
    [
        put("training", device="cuda:1", seeds=[2, 1]),
        put("train.mmoe", weighting={"rule": "fixed", "weights": [1.0, 2.0]}),
        put("pretrain.tm-1", weighting={"rule": "fixed", "weights": [1.0]}),
        put("training", positive_weight={"income": 2.0}),
        both(put("pretrain.tm-2", blocks=[[4]]), put("fusion", adapter="linear")),
        put("train.emm", members=["tm-1", "tm-2/income"]),
        both(
            put("fusion", fit_on="out-of-fold"),
            put("train.emm", merge=False, start={"towers": "frozen"}),
            put("train.emm_paper", fit_on="train"),
        ),
        put("fusion", fit_on="held-out"),
    ],
)
def test_settings_of_a_recipe_that_agree(copy: Copy, change: Change) -> None:
    copy.edit(PAPER, change)
    copy.check()


def test_one_task_is_not_fused(copy: Copy) -> None:
    copy.edit(DATA, lambda tree: tree.update(tasks=["income"]))
    found = copy.faults()
    assert "EMM fuses the models of two tasks or more" in found
    assert "next: write `fused: []` and take emm, emm_paper, ensemble out of `table`" in found
    copy.activate(fused=[], table=["tm-1", "tm-2", "gbdt"])
    copy.check()


def test_a_pool_has_networks(copy: Copy) -> None:
    copy.activate(trained=[], table=["emm"])
    assert "the pool lacks members" in copy.faults()
    copy.activate(fused=[], table=["gbdt"])
    copy.check()


def test_row_weights_that_a_dataset_lacks(copy: Copy) -> None:
    copy.edit(PAPER, put("training", sample_weights=True))
    copy.check()
    copy.activate(datasets=["kuairand-pure"])
    copy.edit("kuairand-pure/paper", put("training", sample_weights=True))
    assert "sample_weights is true, and kuairand-pure has no weights of rows" in copy.faults()


def test_a_searched_model_that_starts_with_its_search_has_its_shape(copy: Copy) -> None:
    copy.activate(searched=["automtl"])
    copy.edit(PAPER, put("train.automtl", start="search"))
    copy.check()
    copy.edit(PAPER, put("train.automtl", embedding_dim=8))
    assert "starts with the weights of its search, which has another embedding_dim" in copy.faults()
    copy.edit(PAPER, put("train.automtl", start="scratch"))
    copy.check()


def test_the_last_width_of_a_network_that_the_table_determines_is_known(copy: Copy) -> None:
    copy.activate(recipe="default")
    copy.check()
    copy.edit(f"{CENSUS}/default", put("pretrain.tm-2", blocks=[[64, 16]]))
    assert "got: tm-1 ends with width 32, tm-2 ends with width 16" in copy.faults()


def test_keys_that_the_table_determines_are_known_to_learn_out_of_fold(copy: Copy) -> None:
    copy.activate(recipe="default")
    copy.edit(f"{CENSUS}/default", put("train.emm", variant="aligned"))
    copy.check()
    copy.edit(f"{CENSUS}/default", put("train.emm", merge=True))
    assert "train.emm\n  got: merge: true\n" in copy.faults()


def test_the_known_tasks_are_those_of_the_registered_datasets() -> None:
    for name in DATASETS:
        dataset = load_dataset(name)
        assert KNOWN_TASKS[name] == tuple(dataset.tasks)
        assert {task.kind for task in dataset.tasks.values()} == {"binary"}
        assert (name in WEIGHTED) == (dataset.weight is not None)
    assert KNOWN_TASKS.keys() == DATASETS.keys()


def test_the_weighting_rules_are_those_of_training() -> None:
    assert RULES.keys() == WEIGHTINGS.keys()
    needed = {"fixed": {"weights": [1.0, 1.0]}}
    several = {r for r in RULES if not make_weighting(2, r, **needed.get(r, {})).one_gradient}
    assert several == {*SEVERAL_GRADIENTS}
    assert {r for r in RULES if issubclass(WEIGHTINGS[r], TorchJDRule | GradVac)} == {*TORCHJD}


def test_their_arguments_are_those_of_training() -> None:
    for rule, own in RULES.items():
        known, given = (
            {name: default for name, (_, default) in keywords_of(each).items()}
            for each in (own, WEIGHTINGS[rule])
        )
        assert known == given, rule


def test_a_rule_of_a_package_that_is_missing(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    copy.edit(PAPER, put("train.mmoe", weighting={"rule": "mgda"}))
    copy.check()
    monkeypatch.setattr(models, "find_spec", lambda _name: None)
    with pytest.raises(ParamsError, match="mgda needs the package torchjd, which isn't installed"):
        copy.check()
