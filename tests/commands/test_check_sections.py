"""`emm check`: the faults that it finds in each section of conf/."""

import pytest

from tests.commands.copies import DATA, PAPER, Copy, put
from tests.configuration import Change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(sorce={}), "sorce: unknown key; did you mean 'source'?"),
        (lambda t: t.update(paper={}), "paper: unknown key; known: dataset, source, custom, tasks"),
        (lambda t: t.pop("source"), "no section is called 'source'"),
        (put("source", pth="x"), "source.pth: unknown key; did you mean 'path'?"),
        (lambda t: t.pop("tasks"), "no section is called 'tasks'"),
        (lambda t: t.update(tasks=[]), "tasks: got [], expected at least one value"),
        (lambda t: t.update(tasks="income"), "tasks: got 'income', expected a list of text"),
        (lambda t: t.update(custom={}), "custom.tasks: missing"),
        (
            lambda t: t.update(custom={"tasks": {"income": "a"}}),
            "custom.split: missing; expected how to split the rows",
        ),
        (put("preprocess", sed=1), "preprocess.sed: unknown key; did you mean 'seed'?"),
        (put("preprocess", seed=-1), "preprocess.seed: got -1, expected at least 0"),
        (put("preprocess", funnel=["income"]), "preprocess.funnel: got ['income'], expected two"),
        (
            put("preprocess", sample={"fraction": 2}),
            "preprocess.sample.fraction: got 2, expected more than 0 and at most 1",
        ),
        (
            put("check-data", max_column_auc=0.4),
            "check-data.max_column_auc: got 0.4, expected at least 0.5 and at most 1",
        ),
        (put("evaluate", gauc="x"), "evaluate.gauc: unknown key; did you mean 'gauc_key'?"),
        (put("evaluate", calibration_bins=0), "evaluate.calibration_bins: got 0, expected at le"),
    ],
)
def test_a_fault_of_data_yaml_is_named(copy: Copy, change: Change, message: str) -> None:
    copy.edit(DATA, change)
    found = copy.faults()
    assert message in found
    assert str(copy.params.parent / f"conf/{DATA}.yaml") in found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(trainig={}), "trainig: unknown key; did you mean 'training'?"),
        (lambda t: t.update(evaluate={}), "evaluate: unknown key; known: training, pretrain, "),
        (put("training", batch_size=1), "training.batch_size: got 1, expected at least 2"),
        (put("training", seeds=[]), "training.seeds: got [], expected at least one value"),
        (put("training", optimiser="sgd"), "training.optimiser: got 'sgd', expected adam or adamw"),
        (
            put("training", lr_schedule="cosine"),
            "training.lr_schedule: got 'cosine', expected constant or one-cycle",
        ),
        (
            put("training", ema_decay=1.5),
            "training.ema_decay: got 1.5, expected at least 0 and at most 1",
        ),
        (
            put("fusion", fit_on="test"),
            "fusion.fit_on: got 'test', expected train or out-of-fold or held-out",
        ),
        (put("fusion", adapter="cubic"), "fusion.adapter: got 'cubic', expected linear"),
        (put("fusion", folds=1), "fusion.folds: got 1, expected at least 2"),
        (
            put("fusion", pool={"x": {"factory": "a:b"}}),
            "pool.x.task: missing; expected text",
        ),
        (put("fusion", pool=[{"task": "income"}]), "expected a name for each model, such as {risk"),
        (put("fusion", networks=["tm-3"]), "no trained model is called 'tm-3'; did you mean 'tm-"),
        (lambda t: t.pop("fusion"), "no section is called 'fusion'"),
        (lambda t: t["pretrain"].pop("tm-1"), "no section is called 'tm-1'; did you mean 'tm-2'?"),
        (
            put("pretrain.tm-1", network="tabn"),
            "no network is called 'tabn'; did you mean 'tabm'?",
        ),
        (put("pretrain.tm-1", network="tabm"), "pretrain.tm-1.blocks: unknown key; known: "),
        (put("pretrain.tm-1", block=1), "pretrain.tm-1.block: unknown key; did you mean 'blocks'?"),
        (put("train.mmoe", expert_count=1), "train.mmoe.expert_count: unknown key"),
        (put("train.mmoe", learning_rat=1), "learning_rat: unknown key; did you mean 'learning_ra"),
        (put("train.mmoe", experts=0), "train.mmoe.experts: got 0, expected at least 1"),
        (put("train.gbdt", max_iteration=1), "gbdt.max_iteration: unknown key; did you mean 'max_"),
        (put("train.gbdt", max_leaf_nodes=1), "gbdt.max_leaf_nodes: got 1, expected at least 2"),
        (put("train.gbdt", library="lgbm"), "no library is called 'lgbm'; did you mean 'lightgbm'"),
        (put("train.emm", pool=1), "train.emm.pool: unknown key"),
        (put("train", mmoe=[]), "train.mmoe: got [], expected the keys learning_rate, weight_dec"),
    ],
)
def test_a_fault_of_a_recipe_is_named(copy: Copy, change: Change, message: str) -> None:
    copy.edit(PAPER, change)
    found = copy.faults()
    assert message in found
    assert str(copy.params.parent / f"conf/{PAPER}.yaml") in found


@pytest.mark.parametrize(
    ("section", "key", "message"),
    [
        ("search", "expert", "search.automtl.expert: unknown key; did you mean 'experts'"),
        ("search", "warmup", "search.automtl.warmup: unknown key; did you mean 'warm_up'"),
        ("train", "towers", "train.automtl.towers: unknown key; did you mean 'tower'"),
        ("train", "architecture", "train.automtl.architecture: unknown key"),
    ],
)
def test_an_unknown_key_of_a_searched_model_is_named(
    copy: Copy, section: str, key: str, message: str
) -> None:
    copy.edit(PAPER, put(f"{section}.automtl", **{key: 1}))
    copy.check()
    copy.activate(searched=["automtl"])
    assert message in copy.faults()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"variant": "alined"}, "emm.variant: got 'alined', expected paper or aligned or ensemble"),
        ({"dense_encoding": "log"}, "emm.dense_encoding: got 'log', expected scaled or binned"),
        ({"merge": "no"}, "emm.merge: got 'no', expected true or false"),
        ({"start": {"towers": "thawed"}}, "emm.start.towers: got 'thawed', expected trained or"),
        ({"start": {"network": "fresh"}}, "start.network: unknown key; did you mean 'networks'"),
        ({"start": {"networks": "fresh", "towers": "frozen"}}, "fresh networks can't have frozen"),
        ({"second": {"max_epochs": 2}}, "emm.second.learning_rate: missing"),
        ({"members": "wide"}, "emm.members: got 'wide', expected a list of text"),
        ({"max_epochs": 0}, "emm.max_epochs: got 0, expected at least 1"),
    ],
    ids=str,
)
def test_an_invalid_setting_of_a_fused_model_is_named(
    copy: Copy, keys: dict[str, object], message: str
) -> None:
    copy.edit(PAPER, put("train.emm", **keys))
    assert message in copy.faults()


def test_a_fused_model_may_have_every_setting(copy: Copy) -> None:
    keys = {
        "members": ["tm-1", "gbdt/income"],
        "start": {"networks": "trained", "embeddings": "fresh", "towers": "frozen"},
        "second": {"learning_rate": 1e-4, "max_epochs": 2},
        "max_epochs": 4,
        "merge": False,
        "own_paths": True,
        "constant_gates": True,
        "weighting": {"rule": "equal"},
    }
    copy.edit(PAPER, put("train.emm", **keys))
    copy.edit(PAPER, put("fusion", trees=["gbdt"]))
    copy.check()
