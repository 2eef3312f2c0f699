"""`emm check`: which settings it reads, and faults that concern several files."""

import pytest

from emm.commands.check import check_project
from emm.config.project import load_project
from tests.commands.copies import DATA, PAPER, Copy, put
from tests.configuration import CENSUS, ROOT

ALI = "ali-ccp"


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
    ("lists", "message"),
    [
        ({"datasets": ["avazu"]}, "no dataset is called 'avazu'; known: "),
        ({"datasets": ["census-incom"]}, "no dataset is called 'census-incom'; did you mean 'cen"),
        ({"recipe": "best"}, "no recipe is called 'best'; known: default, paper, tuned"),
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


def test_a_network_that_is_fused_must_be_trained(copy: Copy) -> None:
    copy.activate(recipe="tuned")
    copy.check()
    copy.edit(f"{CENSUS}/tuned", put("fusion", networks=["tm-2", "tm-3"]))
    found = copy.faults()
    assert "no trained model is called 'tm-3'" in found
    assert f"conf/{CENSUS}/tuned.yaml: fusion.networks" in found
    assert f"next: write `networks: []`, or add tm-3 to `trained` in {copy.params}" in found
    copy.activate(trained=["tm-1", "tm-2", "tm-3"], table=[])
    copy.check()


def test_all_faults_of_all_files_are_reported_at_once(copy: Copy) -> None:
    copy.activate(datasets=[CENSUS, ALI, "avazu"], searched=["automtl"], images=["omniglot"])
    copy.edit(DATA, lambda tree: tree.update(sorce={}, tasks=[]))
    copy.edit(DATA, put("check-data", max_column_auc=0))
    copy.edit(PAPER, lambda tree: tree.update(trainig={}))
    for section in ("training", "pretrain.tm-1", "train.emm", "train.gbdt", "search.automtl"):
        copy.edit(PAPER, put(section, wrong=1))
    copy.edit(f"{ALI}/paper", put("train.ple", levels=0))
    copy.edit("omniglot/paper", put("20-way-1-shot", ways=1))
    found = copy.faults()
    for part in (
        "sorce: unknown key",
        "tasks: got []",
        "check-data.max_column_auc: got 0",
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


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"shop": ["click", "cart"]}, "no task is called 'cart'"),
        ({"a": ["click"], "b": ["click"]}, "the task click is in two groups"),
    ],
)
def test_groups_of_tasks_fit_the_tasks(
    copy: Copy, groups: dict[str, list[str]], message: str
) -> None:
    copy.activate(datasets=[ALI], baselines=["home"], table=[])
    copy.edit(f"{ALI}/paper", put("train.home", groups={"shop": ["click", "purchase"]}))
    copy.check()
    copy.edit(f"{ALI}/paper", put("train.home", groups=groups))
    found = copy.faults()
    assert message in found
    assert f"conf/{ALI}/paper.yaml: train.home: groups." in found


def test_arguments_that_the_data_supplies_are_in_no_section(copy: Copy) -> None:
    copy.activate(datasets=[ALI], baselines=["esmm"], table=[])
    copy.edit(f"{ALI}/paper", put("train.esmm", funnel=[0, 1]))
    assert "train.esmm.funnel: unknown key" in copy.faults()
