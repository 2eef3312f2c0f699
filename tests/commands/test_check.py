"""`emm check`: the faults of conf/ that it finds; the recipes of the project have none."""

from dataclasses import replace
from pathlib import Path

import pytest

from emm.commands.check import check_project
from emm.config.project import Project, load_project
from emm.config.signatures import keywords_of
from emm.core.errors import ParamsError
from emm.fusion.settings import VARIANTS
from emm.models import MODELS
from tests.configuration import CENSUS, ROOT, Change, Tree, copy_conf, edit

ALI = "ali-ccp"
DATA, PAPER = f"{CENSUS}/data", f"{CENSUS}/paper"


class Copy:
    """A copy of the project's configuration, to be changed and checked."""

    def __init__(self, folder: Path) -> None:
        self.params = copy_conf(folder)

    def edit(self, file: str, change: Change) -> None:
        edit(self.params.parent / f"conf/{file}.yaml", change)

    def activate(self, **lists: object) -> None:
        edit(self.params, lambda tree: tree.update(lists))

    def check(self) -> None:
        check_project(load_project(self.params))

    def faults(self) -> str:
        """The message of the check, which must fail."""
        with pytest.raises(ParamsError) as error:
            self.check()
        return str(error.value)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def put(section: str, **keys: object) -> Change:
    """Set keys of a section, such as train.mmoe."""

    def change(tree: Tree) -> None:
        for part in section.split("."):
            tree = tree[part]
        tree.update(keys)

    return change


def test_the_projects_own_configuration_is_valid() -> None:
    check_project(load_project(ROOT / "params.yaml"))


def test_the_sections_of_a_searched_model_are_valid(copy: Copy) -> None:
    copy.activate(searched=["automtl"])
    copy.check()


def test_few_shot_images_are_checked_if_they_are_active(copy: Copy) -> None:
    copy.edit("omniglot/data", lambda tree: tree.update(side=3))
    copy.check()
    copy.activate(images=["omniglot"])
    assert "side: got 3, expected at least 4 and at most 105" in copy.faults()


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
        (put("fusion", pool=[{"factory": "a:b"}]), "fusion.pool[0].task: missing; expected text"),
        (put("fusion", networks=["tm-3"]), "no trained model is called 'tm-3'; did you mean 'tm-"),
        (lambda t: t.pop("fusion"), "no section is called 'fusion'"),
        (lambda t: t["pretrain"].pop("tm-1"), "no section is called 'tm-1'; did you mean 'tm-2'?"),
        (put("pretrain.tm-1", block=1), "pretrain.tm-1.block: unknown key; did you mean 'blocks'?"),
        (put("train.mmoe", expert_count=1), "train.mmoe.expert_count: unknown key"),
        (put("train.mmoe", learning_rat=1), "learning_rat: unknown key; did you mean 'learning_ra"),
        (put("train.mmoe", experts=0), "train.mmoe.experts: got 0, expected at least 1"),
        (put("train.gbdt", max_iteration=1), "gbdt.max_iteration: unknown key; did you mean 'max_"),
        (put("train.gbdt", max_leaf_nodes=1), "gbdt.max_leaf_nodes: got 1, expected at least 2"),
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
    copy.check()


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"datasets": ["avazu"]}, "no dataset is called 'avazu'; known: "),
        ({"datasets": ["census-incom"]}, "no dataset is called 'census-incom'; did you mean 'cen"),
        ({"recipe": "best"}, "no recipe is called 'best'; known: paper, tuned"),
        ({"baselines": ["mmeo"]}, "no model is called 'mmeo'; did you mean 'mmoe'?"),
        ({"baselines": ["stem"]}, "no section is called 'stem'"),
        ({"trained": ["tm-9"]}, "no section is called 'tm-9'"),
        ({"fused": ["emn"]}, "no section is called 'emn'; did you mean 'emm'?"),
        ({"searched": ["automlt"]}, "no section is called 'automlt'; did you mean 'automtl'?"),
        ({"images": ["omniglott"]}, "no dataset is called 'omniglott'; did you mean 'omniglot'?"),
        (
            {"images": ["omniglot"], "episodes": ["5-way-5-shot"]},
            "no section is called '5-way-5-shot'; did you mean '5-way-1-shot'?",
        ),
    ],
    ids=str,
)
def test_a_name_that_does_not_exist_is_named(
    copy: Copy, lists: dict[str, object], message: str
) -> None:
    copy.activate(table=[], **lists)
    found = copy.faults()
    assert message in found
    sections = 2 if "searched" in lists else 1
    assert found.count("is called") == sections


def test_the_tuned_recipe_fuses_a_network_that_must_be_trained(copy: Copy) -> None:
    copy.activate(recipe="tuned")
    found = copy.faults()
    assert "no trained model is called 'tm-3'" in found
    assert f"conf/{CENSUS}/tuned.yaml: fusion.networks" in found
    assert f"next: add it to `trained` in {copy.params}" in found
    copy.activate(trained=["tm-1", "tm-2", "tm-3"])
    copy.check()


def test_all_faults_of_all_files_are_reported_at_once(copy: Copy) -> None:
    copy.activate(datasets=[CENSUS, ALI, "avazu"], searched=["automtl"], images=["omniglot"])
    copy.edit(DATA, lambda tree: tree.update(sorce={}, tasks=[]))
    copy.edit(DATA, put("check-data", rate_tolerance=0))
    copy.edit(PAPER, lambda tree: tree.update(trainig={}))
    for section in ("training", "pretrain.tm-1", "train.emm", "train.gbdt", "search.automtl"):
        copy.edit(PAPER, put(section, wrong=1))
    copy.edit(f"{ALI}/paper", put("train.ple", levels=0))
    copy.edit("omniglot/paper", put("20-way-1-shot", ways=1))
    found = copy.faults()
    for part in (
        "sorce: unknown key",
        "tasks: got []",
        "check-data.rate_tolerance: got 0",
        "trainig: unknown key",
        "training.wrong: unknown key",
        "pretrain.tm-1.wrong: unknown key",
        "train.emm.wrong: unknown key",
        "train.gbdt.wrong: unknown key",
        "search.automtl.wrong: unknown key",
        "train.ple.levels: got 0",
        "no dataset is called 'avazu'",
        "20-way-1-shot.ways: got 1",
    ):
        assert found.count(part) == 1, part


def test_faults_of_a_recipe_are_found_without_a_valid_data_yaml(copy: Copy) -> None:
    copy.params.parent.joinpath(f"conf/{DATA}.yaml").write_text("tasks: [\n")
    copy.edit(PAPER, put("training", patience=0))
    found = copy.faults()
    assert found.count("isn't YAML") == 1
    assert "training.patience: got 0, expected at least 1" in found


def test_faults_of_data_yaml_are_found_without_a_recipe(copy: Copy) -> None:
    copy.activate(recipe="best")
    copy.edit(DATA, put("preprocess", rare_below=0))
    found = copy.faults()
    assert found.count("no recipe is called 'best'") == 1
    assert "preprocess.rare_below: got 0, expected at least 1" in found


@pytest.mark.parametrize(
    "funnel", [["click"], ["click", "click"], ["click", "buy"], ["click", "purchase", "click"]]
)
def test_a_funnel_consists_of_two_tasks(copy: Copy, funnel: list[str]) -> None:
    copy.activate(datasets=[ALI])
    copy.edit(f"{ALI}/data", put("preprocess", funnel=funnel))
    message = f"preprocess.funnel: got {funnel}, expected two of the tasks in order, or []"
    assert message in copy.faults()


def test_no_task_is_called_like_the_metrics_of_a_funnel(copy: Copy) -> None:
    copy.activate(datasets=[ALI])
    copy.edit(f"{ALI}/data", lambda tree: tree.update(tasks=["click", "funnel"]))
    copy.edit(f"{ALI}/data", put("preprocess", funnel=["click", "funnel"]))
    assert "no task may be called 'funnel'" in copy.faults()


def test_a_model_of_a_funnel_needs_one_in_data_yaml(copy: Copy) -> None:
    copy.activate(datasets=[ALI], baselines=["esmm", "escm2", "stem"], table=[])
    copy.check()
    copy.edit(f"{ALI}/data", lambda tree: tree["preprocess"].pop("funnel"))
    found = copy.faults()
    assert found.count("needs a funnel") == 2
    assert f"where: conf/{ALI}/data.yaml: preprocess.funnel" in found


def test_arguments_that_the_data_supplies_are_in_no_section(copy: Copy) -> None:
    copy.activate(datasets=[ALI], baselines=["esmm"], table=[])
    copy.edit(f"{ALI}/paper", put("train.esmm", funnel=[0, 1]))
    assert "train.esmm.funnel: unknown key" in copy.faults()


def recipe_files(conf: str) -> list[Path]:
    return sorted(path for path in (ROOT / conf).glob("*/*.yaml") if path.stem != "data")


def with_models_of(project: Project, file: Path) -> Project:
    """The project with one dataset and recipe, and all models that sections of the recipe name."""
    dataset = file.parent.name
    active = replace(project.active, recipe=file.stem, datasets=(dataset,), table=())
    project = replace(project, active=active)
    recipe, funnel = project.recipe(dataset), project.data(dataset).section("preprocess")
    names = recipe.section("train")
    fused = [name for name, keys in names.items() if (keys or {}).get("variant") in VARIANTS]
    searched = [*recipe.tree.get("search", {})]
    baselines = [name for name in names if name not in (*fused, *searched, "gbdt", "automtl")]
    if not funnel.get("funnel"):
        baselines = [name for name in baselines if "funnel" not in keywords_of(MODELS[name])]
    lists = {"fused": fused, "searched": searched, "baselines": baselines}
    lists["trained"] = [*recipe.section("pretrain")]
    return replace(project, active=replace(active, **{k: tuple(v) for k, v in lists.items()}))


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("file", recipe_files("conf"), ids=relative)
def test_every_recipe_is_valid_for_the_models_that_its_sections_name(file: Path) -> None:
    project = load_project(ROOT / "params.yaml")
    if file.parent.name == "omniglot":
        active = replace(project.active, recipe=file.stem, datasets=(), images=("omniglot",))
        check_project(replace(project, active=active))
        return
    project = with_models_of(project, file)
    assert project.active.baselines
    assert {"emm", "emm_paper", "ensemble"} <= {*project.active.fused}
    check_project(project)


@pytest.mark.parametrize("file", recipe_files("study/conf"), ids=relative)
def test_every_recipe_of_the_study_is_valid(file: Path) -> None:
    check_project(with_models_of(load_project(ROOT / "study/params.yaml"), file))


@pytest.mark.parametrize("name", ["params.yaml", "automtl.yaml"])
def test_the_recipes_of_the_study_have_all_models_that_it_names(name: str) -> None:
    project = load_project(ROOT / "study" / name)
    sections: dict[str, set[str]] = {"pretrain": set(), "train": set(), "search": set()}
    for dataset in project.active.datasets:
        assert project.data(dataset).section("tasks")
        files = [file for file in recipe_files("study/conf") if file.parent.name == dataset]
        assert files
        for file in files:
            recipe = with_models_of(project, file).recipe(dataset)
            for part, names in sections.items():
                names.update(recipe.tree.get(part, {}))
    active = project.active
    assert {*active.trained} <= sections["pretrain"]
    assert {*active.baselines, *active.fused, *active.searched} <= sections["train"]
    assert {*active.searched} <= sections["search"]
