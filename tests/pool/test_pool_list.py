"""`emm pool list`: members that are decomposed, that are scored, and that no stage has read."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from emm.commands.pool_list import pool_table
from emm.config.project import load_project
from emm.core.errors import ModelFileError
from emm.core.files import write_json
from emm.fusion.member_facts import MemberFacts, save_facts
from emm.outside.member import Checked, Join, MemberDescription, Quality, write_member
from tests.configuration import CENSUS, Tree, copy_conf, edit

ENTRY = {"task": "income", "model": "pool/risk.txt", "reference": "pool/risk.reference.csv"}
CHECKED = Checked(200, 3e-8, 1e-5)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    copy_conf(tmp_path)

    def name(tree: Tree) -> None:
        tree["fusion"]["pool"] = {"risk": ENTRY, "other": ENTRY | {"reference": "none"}}

    edit(tmp_path / f"conf/{CENSUS}/paper.yaml", name)
    return tmp_path


def shown() -> list[list[str]]:
    """The cells of each row."""
    out = StringIO()
    Console(file=out, width=200).print(pool_table(load_project(), CENSUS))
    lines = [line for line in out.getvalue().splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def scored(root: Path) -> None:
    member = MemberDescription(
        name="risk",
        task="income",
        kind="lightgbm",
        sha256="0" * 64,
        columns="raw",
        inputs={"age": "age"},
        gives="probability",
        join=Join("opaque", "trees on raw columns", 1),
        checked=CHECKED,
        quality=Quality("auc", 0.91234, 0.92),
    )
    folder = root / f"data/scores/{CENSUS}/paper/risk"
    folder.mkdir(parents=True)
    write_member(folder, member)


def decomposed(root: Path, seed: int = 0) -> Path:
    folder = root / f"data/components/{CENSUS}/paper/seed-{seed}"
    folder.mkdir(parents=True)
    networks = [{"name": "tm-1/income", "levels": [["a"], ["b"], ["c"]]}]
    write_json(folder / "components.json", {"members": {"networks": networks}})
    facts = [
        MemberFacts("tm-1/income", "income", "network", "cut", False, "auc", 0.95, None, 0.5),
        MemberFacts("risk", "income", "lightgbm", "opaque", True, "auc", 0.9, 0.9, 0.3, CHECKED),
        MemberFacts("gone", "income", "onnx", "opaque", True, "auc", 0.9, 0.9, 0.2, None),
    ]
    save_facts(folder, facts)
    return folder


def test_models_that_no_stage_has_read(root: Path) -> None:
    assert shown() == [
        ["risk", "income", "-", "unscored", "-", "-", "-", "-"],
        ["other", "income", "-", "unscored", "-", "-", "-", "no reference"],
    ]


def test_a_scored_model_has_its_auc_and_its_check(root: Path) -> None:
    scored(root)
    assert shown()[0] == ["risk", "income", "lightgbm", "opaque", "-", "0.9123", "-", "3e-08"]


def test_decomposed_members_have_levels_and_shares(root: Path) -> None:
    scored(root)
    decomposed(root)
    assert shown() == [
        ["tm-1/income", "income", "network", "layers", "3", "0.9500", "0.50", "-"],
        ["risk", "income", "lightgbm", "opaque", "3", "0.9000", "0.30", "3e-08"],
        ["other", "income", "-", "unscored", "-", "-", "-", "no reference"],
    ]


def test_of_several_seeds_the_first_is_shown(root: Path) -> None:
    for seed in (10, 2):
        decomposed(root, seed)
    assert "seed-2 of 2" in str(pool_table(load_project(), CENSUS).title)


def test_a_damaged_pool_says_how_to_restore_it(root: Path) -> None:
    (decomposed(root) / "components.json").write_text("{")
    with pytest.raises(ModelFileError, match="dvc checkout"):
        shown()
