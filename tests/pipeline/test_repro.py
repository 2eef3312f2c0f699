"""`dvc repro` of the real pipeline in a temporary repository: which stages run."""

import json
from pathlib import Path

import pytest
from safetensors.torch import save_file

from emm.data.tables.schema import load_schema
from emm.training.store import inputs_of
from emm_dvc.graph import read_stages, scripts_of
from tests.configuration import CENSUS, ROOT, Change, Tree
from tests.fusion import outside
from tests.pipeline.workspace import DATA, PAPER, Workspace

BASELINES = ("gbdt", "shared_bottom", "mmoe", "ple", "aitm", "adatt")
STAGES = read_stages(ROOT / "dvc.yaml")
ROWS = ("tm-1", "tm-2", *BASELINES, "ensemble", "emm_paper", "emm")


def test_first_run_runs_every_stage(first_run: tuple[Workspace, set[str]]) -> None:
    workspace, ran = first_run
    listed = workspace.run("dvc", "stage", "list", "--all", "--name-only").stdout.split()
    assert ran == set(listed)
    assert {f"evaluate@{CENSUS}-{row}" for row in ROWS} <= ran


def test_first_run_writes_a_report_and_metrics_of_every_model(
    first_run: tuple[Workspace, set[str]],
) -> None:
    workspace, _ = first_run
    metrics = workspace.root / "metrics" / CENSUS / "paper"
    assert sorted(path.stem for path in metrics.iterdir()) == sorted(ROWS)
    for row in ROWS:
        found = json.loads((metrics / f"{row}.json").read_text())
        assert 0 < found["income"]["auc"] <= 1
        assert found["parameters"] > 0
    report = (workspace.root / "reports" / f"{CENSUS}.md").read_text()
    figures = sorted(path.name for path in (workspace.root / "reports" / CENSUS).iterdir())
    assert all(name in report for name in figures)
    assert len(figures) == 5


def test_second_run_runs_nothing(done: Workspace) -> None:
    assert done.repro() == set()
    assert done.run("git", "status", "--porcelain").stdout == ""


def emm_learning_rate(tree: Tree) -> None:
    tree["train"]["emm"]["learning_rate"] = 0.002


def second_structure(tree: Tree) -> None:
    tree["pretrain"]["tm-2"]["blocks"] = [[12, 8]] * 3


def one_baseline(tree: Tree) -> None:
    tree["train"]["mmoe"]["experts"] = 3


def tolerance(tree: Tree) -> None:
    tree["check-data"]["max_rate_difference"] = 0.8


@pytest.mark.parametrize(
    ("file", "change", "expected"),
    [
        (PAPER, emm_learning_rate, {"train-emm-emm", "evaluate-emm", "report"}),
        (
            PAPER,
            second_structure,
            {
                "pretrain-tm-2",
                "decompose",
                "train-emm-emm",
                "train-emm-emm_paper",
                "train-emm-ensemble",
                "evaluate-tm-2",
                "evaluate-ensemble",
                "evaluate-emm",
                "evaluate-emm_paper",
                "report",
            },
        ),
        (PAPER, one_baseline, {"train-mmoe", "evaluate-mmoe", "report"}),
        (DATA, tolerance, {"check-data"}),
    ],
)
def test_change_of_settings_runs_only_the_affected_stages(
    done: Workspace, file: str, change: Change, expected: set[str]
) -> None:
    done.change(file, change)
    ran = done.repro()
    assert {name.replace(f"@{CENSUS}", "") for name in ran} == expected


def test_change_of_model_code_runs_that_model_and_the_evaluations(done: Workspace) -> None:
    path = done.root / "src/emm/models/ple.py"
    path.write_text(path.read_text() + "\n")
    ran = {name for name in done.repro("--dry") if not name.startswith("evaluate@")}
    assert ran == {f"train@{CENSUS}-ple"}


def test_forced_rerun_gives_the_same_bytes(done: Workspace) -> None:
    forced = [f"train@{CENSUS}-mmoe", f"train-emm@{CENSUS}-emm", f"train-trees@{CENSUS}-gbdt"]
    before = done.run("git", "rev-parse", "HEAD").stdout
    for stage in (*forced, f"evaluate@{CENSUS}-emm", f"report@{CENSUS}"):
        assert done.repro("--force", "--single-item", stage) == {stage}
    assert done.run("git", "status", "--porcelain").stdout == ""
    assert before


def test_dvc_shows_metrics_as_tables(done: Workspace) -> None:
    done.change(PAPER, emm_learning_rate)
    done.repro()
    done.run("git", "commit", "--quiet", "--all", "--message=other rate")
    shown = done.run("dvc", "metrics", "show", "--md").stdout
    assert f"metrics/{CENSUS}/paper/emm.json" in shown
    assert "income.auc" in shown
    changes = done.run("dvc", "metrics", "diff", "HEAD~1", "--md").stdout
    assert "emm.json" in changes
    assert "mmoe.json" not in changes


@pytest.mark.slow
def test_outside_models_need_only_configuration(done: Workspace) -> None:
    """Two models of different depth and layout, as safetensors files and code that builds them."""
    schema = load_schema(done.root / "data/processed" / CENSUS / "schema.json")
    inputs = inputs_of(schema)
    (done.root / "pool/outside.py").write_text(Path(outside.__file__).read_text())
    for model in (outside.Deep, outside.Shallow):
        name, weights = model.__name__.lower(), model(inputs).state_dict()
        weights[[*weights][-1]] -= 3  # the output's bias: untrained logits look like probabilities
        save_file(weights, done.root / f"pool/{name}.safetensors")

    def change(tree: Tree) -> None:
        tree["fusion"]["pool"] = {
            "deep": {
                "task": "income",
                "factory": "pool.outside:Deep",
                "weights": "pool/deep.safetensors",
                "reference": "none",
            },
            "shallow": {
                "task": "never-married",
                "factory": "pool.outside:Shallow",
                "weights": "pool/shallow.safetensors",
                "tower": "head",
                "reference": "none",
            },
        }

    done.change(PAPER, change)
    done.run("emm", "check", "--fix")
    ran = done.repro()
    assert {f"score@{CENSUS}-deep", f"score@{CENSUS}-shallow"} <= ran
    assert {f"decompose@{CENSUS}", f"train-emm@{CENSUS}-emm", f"evaluate@{CENSUS}-emm"} <= ran
    assert not any(name.startswith(("pretrain", "train@", "train-trees")) for name in ran)
    components = done.root / "data/components" / CENSUS / "paper/seed-0/components.json"
    members = json.loads(components.read_text())["members"]["networks"]
    assert [member["name"] for member in members][-2:] == ["deep", "shallow"]
    assert done.repro() == set()


RECORDER = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
print("\\n".join(file for file in files if file and "/src/emm/" in file))
"""


# Not active by default; test_searched.py, test_few_shot.py and tests/stages/ run them.
IDLE = {"search", "train-searched", "train-student", "score"} | {
    name for name in STAGES if name.startswith("fewshot-")
}

# A model of each stage that has one.
MODEL_OF = {
    "pretrain": "tm-1",
    "train": "mmoe",
    "train-trees": "gbdt",
    "train-emm": "emm",
    "evaluate": "emm",
    "export": "gbdt",
}


@pytest.mark.parametrize("name", sorted(set(STAGES) - IDLE))
def test_stage_depends_on_all_code_that_it_loads(done: Workspace, name: str) -> None:
    """Includes modules imported by name at run time, which a scan of imports misses."""
    stage = STAGES[name]
    model = MODEL_OF.get(name)
    words = [str(scripts_of(stage)[0]), CENSUS, *([model] if model else [])]
    (done.root / "recorder.py").write_text(RECORDER)
    output = done.run("python", "recorder.py", *words).stdout
    loaded = {str(Path(line).relative_to(done.root)) for line in output.split()}
    deps = [Path(dep.replace("${item.model}", model or "")) for dep in stage["deps"]]
    undeclared = {
        file
        for file in loaded
        if not file.endswith("__init__.py")
        and not any(Path(file) == dep or dep in Path(file).parents for dep in deps)
    }
    assert loaded
    assert undeclared == set()
