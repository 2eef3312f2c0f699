"""An outside model is written into the files of the configuration, whose comments stay."""

from pathlib import Path

import pytest

from emm.commands.pool_files import entry_text, write_entry
from emm.config.project import load_project
from emm.fusion.settings import FusionSettings
from emm.outside.settings import OutsideModel
from tests.configuration import CENSUS, ROOT, copy_conf

ENTRY = {"task": "income", "model": "pool/risk.onnx", "reference": "none"}
BLOCK = """\
    risk:
      task: income
      model: pool/risk.onnx
      reference: none
"""


def write(root: Path, name: str = "risk", columns: tuple[str, ...] = ("age", "year")) -> list[str]:
    return write_entry(load_project(root / "params.yaml"), CENSUS, name, ENTRY, columns)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    copy_conf(tmp_path)
    return tmp_path


def added(root: Path, file: str) -> tuple[list[str], list[str]]:
    """The lines of the project's own file that are gone, and the new ones."""
    before = (ROOT / file).read_text().splitlines()
    after = (root / file).read_text().splitlines()
    return [x for x in before if x not in after], [x for x in after if x not in before]


def test_every_file_gets_what_it_lacks_and_keeps_the_rest(root: Path) -> None:
    assert write(root) == [
        f"conf/{CENSUS}/data.yaml: preprocess.raw + age, year",
        f"conf/{CENSUS}/paper.yaml: fusion.pool + risk",
        "params.yaml: outside + risk",
    ]
    gone, new = added(root, f"conf/{CENSUS}/paper.yaml")
    assert [line.split("#")[1] for line in gone] == [line.split("#")[1] for line in new[:1]]
    assert "\n".join(new[1:]) + "\n" == BLOCK
    assert [line for line in added(root, "params.yaml")[1] if line.startswith("outside: [risk]  ")]
    assert added(root, f"conf/{CENSUS}/data.yaml") == ([], ["  raw: [age, year]"])
    recipe = load_project(root / "params.yaml").recipe(CENSUS)
    assert recipe.read("fusion", FusionSettings).pool == {"risk": OutsideModel(**ENTRY)}


@pytest.mark.parametrize("pool", ["pool: {}", "pool: []"])
def test_an_empty_pool_may_be_written_in_any_way(root: Path, pool: str) -> None:
    file = root / f"conf/{CENSUS}/paper.yaml"
    lines = file.read_text().splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("  pool:"))
    lines[place] = f"  {pool}   # mine"
    file.write_text("\n".join([*lines, ""]))
    write(root)
    written = file.read_text()
    assert "# mine\n" + BLOCK in written
    assert written.count("\n") == len(lines) + 4


def test_a_second_model_joins_the_first_and_its_comments(root: Path) -> None:
    write(root)
    paper, params = root / f"conf/{CENSUS}/paper.yaml", root / "params.yaml"
    paper.write_text(paper.read_text().replace("none\n", "none   # lost\n"))
    assert write(root, "other", ("year", "sex"))[0].endswith("preprocess.raw + sex")
    assert "reference: none   # lost\n    other:\n" in paper.read_text()
    assert load_project(params).active.outside == ("risk", "other")
    data = load_project(params).data(CENSUS)
    assert data.section("preprocess")["raw"] == ["age", "year", "sex"]


def test_a_file_that_varies_another_gets_the_whole_list(root: Path) -> None:
    write(root)
    (root / "mine.yaml").write_text("base: params.yaml\nmemory_gib: 2\n")
    write_entry(load_project(root / "mine.yaml"), CENSUS, "other", ENTRY, ())
    assert load_project(root / "mine.yaml").active.outside == ("risk", "other")
    assert load_project(root / "params.yaml").active.outside == ("risk",)


def test_a_dataset_that_is_not_active_leaves_the_list_of_active_models(root: Path) -> None:
    project = load_project(root / "params.yaml", "paper")
    changes = write_entry(project, "ali-ccp", "risk", ENTRY, ("userid",))
    assert [line.split(":")[0] for line in changes] == [
        "conf/ali-ccp/data.yaml",
        "conf/ali-ccp/paper.yaml",
    ]
    assert load_project(root / "params.yaml").active.outside == ()


def test_the_printed_entry_is_what_would_be_written() -> None:
    entry = ENTRY | {"columns": {"x[0]": "ln(age + 1)", "male": "sex = 'Male'"}}
    assert entry_text("risk", entry) == (
        f"fusion:\n  pool:\n{BLOCK}"
        "      columns:\n        x[0]: ln(age + 1)\n        male: sex = 'Male'\n"
    )
