"""The stages of searched models in the real pipeline: when they exist and when they run."""

from pathlib import Path

import pytest

from tests.configuration import Change, Tree
from tests.pipeline.workspace import CENSUS, PAPER, PARAMS, Workspace

pytestmark = pytest.mark.slow

SEARCH, TRAIN = f"search@{CENSUS}-automtl", f"train-searched@{CENSUS}-automtl"


def short_search(tree: Tree) -> None:
    tree["search"]["automtl"].update(
        embedding_dim=2,
        tower=[4],
        experts=2,
        layers=1,
        width=4,
        operators=["identity", "mlp-16"],
        batch_size=128,
        warm_up=1,
        joint=1,
    )
    tree["train"]["automtl"].update(embedding_dim=2, tower=[4])


@pytest.fixture(scope="module")
def trained(
    fresh: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Workspace, set[str]]:
    """A repository with a trained searched model, and the stages that ran."""
    workspace = fresh.copy(tmp_path_factory.mktemp("searched") / "project")
    workspace.change(PARAMS, lambda tree: tree.update(searched=["automtl"]))
    workspace.change(PAPER, short_search)
    return workspace, workspace.repro(TRAIN)


def names(workspace: Workspace) -> list[str]:
    return workspace.run("dvc", "stage", "list", "--all", "--name-only").stdout.split()


def test_no_search_stage_without_a_searched_model(fresh: Workspace) -> None:
    assert [name for name in names(fresh) if "search" in name] == []


def test_architecture_is_searched_and_then_trained(
    trained: tuple[Workspace, set[str]],
) -> None:
    workspace, ran = trained
    assert {SEARCH, TRAIN} <= ran
    made = workspace.root / "data/architectures" / CENSUS / "paper/automtl"
    assert sorted(path.name for path in made.iterdir()) == [
        "architecture.json",
        "history.json",
        "weights.safetensors",
    ]
    assert not list(workspace.root.glob(".emm/checkpoints/**/*.safetensors"))


def learning_rate(tree: Tree) -> None:
    tree["train"]["automtl"]["learning_rate"] = 0.002


def epochs(tree: Tree) -> None:
    tree["training"]["max_epochs"] = 1


def search_seed(tree: Tree) -> None:
    tree["search"]["automtl"]["seed"] = 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (learning_rate, {TRAIN}),
        (epochs, {TRAIN}),
        (search_seed, {SEARCH, TRAIN}),
    ],
)
def test_change_of_settings_runs_only_the_affected_stages(
    trained: tuple[Workspace, set[str]],
    tmp_path: Path,
    change: Change,
    expected: set[str],
) -> None:
    workspace = trained[0].copy(tmp_path / "project")
    workspace.change(PAPER, change)
    assert workspace.repro(TRAIN) == expected
