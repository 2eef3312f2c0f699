"""`dvc repro` of the real pipeline in a temporary repository: which stages run."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from safetensors.torch import save_file

from emm.data.tables.schema import load_schema
from emm.training.store import inputs_of
from emm_dvc.graph import read_stages, scripts_of
from tests.configuration import CENSUS, ROOT, Change, Tree
from tests.fusion import outside
from tests.pipeline.workspace import DATA, LISTS, PAPER, Workspace

STAGES = read_stages(ROOT / "dvc.yaml")
ROWS = LISTS["table"]


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
        (
            PAPER,
            second_structure,
            {
                "pretrain-tm-2",
                "decompose",
                "train-emm-emm",
                "train-emm-ensemble",
                "evaluate-tm-2",
                "evaluate-ensemble",
                "evaluate-emm",
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
    assert without_dataset(done.repro()) == expected


def without_dataset(stages: set[str]) -> set[str]:
    return {name.replace(f"@{CENSUS}", "") for name in stages}


@pytest.fixture(scope="module")
def changed(
    first_run: tuple[Workspace, set[str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Workspace, set[str]]:
    """A repository after a run with another learning rate of EMM, and the stages that ran.
    Read-only."""
    workspace = first_run[0].copy(tmp_path_factory.mktemp("changed") / "project")
    workspace.change(PAPER, emm_learning_rate)
    ran = workspace.repro()
    workspace.run("git", "commit", "--quiet", "--all", "--message=other rate")
    return workspace, ran


def test_change_of_a_fused_model_runs_it_alone(changed: tuple[Workspace, set[str]]) -> None:
    assert without_dataset(changed[1]) == {"train-emm-emm", "evaluate-emm", "report"}


def test_change_of_model_code_runs_that_model_and_the_evaluations(done: Workspace) -> None:
    path = done.root / "src/emm/models/ple.py"
    path.write_text(path.read_text() + "\n")
    ran = {name for name in done.repro("--dry") if not name.startswith("evaluate@")}
    assert ran == {f"train@{CENSUS}-ple"}


def test_forced_rerun_gives_the_same_bytes(done: Workspace) -> None:
    forced = [f"train@{CENSUS}-mmoe", f"train-emm@{CENSUS}-emm", f"train-trees@{CENSUS}-gbdt"]
    forced += [f"evaluate@{CENSUS}-emm", f"report@{CENSUS}"]
    assert done.repro("--force", "--single-item", *forced) == {*forced}
    assert done.run("git", "status", "--porcelain").stdout == ""


def test_dvc_shows_metrics_as_tables(changed: tuple[Workspace, set[str]]) -> None:
    workspace, _ = changed
    shown = workspace.run("dvc", "metrics", "show", "--md").stdout
    assert f"metrics/{CENSUS}/paper/emm.json" in shown
    assert "income.auc" in shown
    changes = workspace.run("dvc", "metrics", "diff", "HEAD~1", "--md").stdout
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
import json, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
print(json.dumps(files))
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


@pytest.fixture(scope="module")
def recording(
    first_run: tuple[Workspace, set[str]], tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    """A repository whose stages run again with their modules recorded."""
    workspace = first_run[0].copy(tmp_path_factory.mktemp("recording") / "project")
    (workspace.root / "recorder.py").write_text(RECORDER)
    return workspace


@dataclass(frozen=True)
class Loaded:
    """The modules that a run of a stage has loaded, with their files."""

    stage: str
    root: Path
    modules: dict[str, str | None]


@pytest.fixture(scope="module", params=sorted(set(STAGES) - IDLE))
def loaded(request: pytest.FixtureRequest, recording: Workspace) -> Loaded:
    """Includes modules imported by name at run time, which a scan of imports misses."""
    name = str(request.param)
    model = MODEL_OF.get(name)
    words = [str(scripts_of(STAGES[name])[0]), CENSUS, *([model] if model else [])]
    output = recording.run("python", "recorder.py", *words).stdout
    return Loaded(name, recording.root, json.loads(output.splitlines()[-1]))


def test_stage_depends_on_all_code_that_it_loads(loaded: Loaded) -> None:
    model = MODEL_OF.get(loaded.stage, "")
    deps = [Path(dep.replace("${item.model}", model)) for dep in STAGES[loaded.stage]["deps"]]
    own = [file for file in loaded.modules.values() if file and "/src/emm/" in file]
    files = {Path(file).relative_to(loaded.root) for file in own}
    undeclared = {
        file
        for file in files
        if file.name != "__init__.py"
        and not any(file == dep or dep in file.parents for dep in deps)
    }
    assert files
    assert undeclared == set()


def test_no_stage_loads_the_compiler_of_torch(loaded: Loaded) -> None:
    """It takes longer than what most stages do."""
    assert {"torch._dynamo", "torch._inductor", "sympy"}.isdisjoint(loaded.modules)
