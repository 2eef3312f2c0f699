"""Data, models and caches come from strangers: nothing here may run what is in them."""

import ast
import io
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from emm.config.project import ConfigFile, load_project
from emm.core.errors import EmmError
from emm.data.tables.loading import Columns, SplitFile
from emm.data.tables.schema import load_schema
from emm.fusion.cached_predictions import CACHED_PREDICTIONS, load_cached_predictions
from emm.fusion.member_facts import MEMBERS, load_facts
from emm.fusion.members import Members
from emm.fusion.pool import COMPONENTS, load_pool
from emm.fusion.pool import DESCRIPTION as POOL
from emm.nn.inputs import Inputs
from emm.outside.member import MEMBER, read_member
from emm.outside.scores import SCORES, load_scores
from emm.report.facts import DatasetFacts
from emm.report.predictions import read_predictions
from emm.report.results import Evaluation, ModelResults, read_tree
from emm.report.study_settings import load_study
from emm.training.store import DESCRIPTION, WEIGHTS, load_model, load_weights
from emm.trees.native.load import load_native_trees
from emm_dvc.merge import read_lock
from emm_dvc.verify.outs import read_outs
from tests.configuration import ROOT

FILES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "stages").rglob("*.py")])

FORBIDDEN_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
FORBIDDEN_CALLS = {"eval", "exec", "torch.load", "torch.save", "yaml.load", "os.system", "np.load"}
SAFE_YAML = {"yaml.SafeLoader", "getattr(yaml, 'CSafeLoader', yaml.SafeLoader)"}


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def reads_yaml_safely(call: ast.Call, tree: ast.AST) -> bool:
    """Whether a call is yaml.load with a safe loader: one of YAML's, or a class derived from it."""
    safe = set(SAFE_YAML)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and {ast.unparse(base) for base in node.bases} <= safe:
            safe |= {node.name} if node.bases else set()
        if isinstance(node, ast.Assign) and ast.unparse(node.value) in SAFE_YAML:
            safe |= {ast.unparse(target) for target in node.targets}
    loaders = [ast.unparse(word.value) for word in call.keywords if word.arg == "Loader"]
    return ast.unparse(call.func) == "yaml.load" and len(loaders) == 1 and {*loaders} <= safe


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_unpickles_evaluates_or_starts_a_shell(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert imported(tree) & FORBIDDEN_MODULES == set()
    others = [call for call in calls if not reads_yaml_safely(call, tree)]
    assert {ast.unparse(call.func) for call in others} & FORBIDDEN_CALLS == set()
    shells = [call for call in calls for word in call.keywords if word.arg == "shell"]
    assert shells == []


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("yaml.load(text, Loader=yaml.SafeLoader)", True),
        ("class Own(yaml.SafeLoader): ...\nyaml.load(text, Loader=Own)", True),
        ("own = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)\nyaml.load(text, Loader=own)", True),
        ("yaml.load(text, yaml.SafeLoader)", False),
        ("yaml.load(text, Loader=yaml.Loader)", False),
        ("class Own(yaml.Loader): ...\nyaml.load(text, Loader=Own)", False),
        ("class Own: ...\nyaml.load(text, Loader=Own)", False),
        ("class Own(yaml.SafeLoader, yaml.Loader): ...\nyaml.load(text, Loader=Own)", False),
        ("own = yaml.UnsafeLoader\nyaml.load(text, Loader=own)", False),
        ("eval(text)", False),
    ],
)
def test_only_safe_loaders_of_yaml_are_accepted(text: str, safe: bool) -> None:
    tree = ast.parse(text)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert any(reads_yaml_safely(call, tree) for call in calls) is safe


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.mkdir, (self.folder,)


def saved(bomb: Bomb) -> bytes:
    file = io.BytesIO()
    torch.save(bomb, file)
    return file.getvalue()


def tagged(bomb: Bomb) -> bytes:
    return f"!!python/object/apply:os.mkdir ['{bomb.folder}']\n".encode()


PAYLOADS = {
    "pickle-0": lambda bomb: pickle.dumps(bomb, protocol=0),
    "pickle-5": lambda bomb: pickle.dumps(bomb, protocol=5),
    "torch": saved,
    "yaml": tagged,
}
SCHEMA = "0" * 64
NOBODY = Members((), ())
EVALUATION = Evaluation("m", (0,), 1, 1, {})
FACTS = DatasetFacts("m", "M", ("t",), {"test": 1}, {}, "", "")
LOADERS: dict[str, Callable[[Path], object]] = {
    WEIGHTS: load_weights,
    DESCRIPTION: lambda path: load_model(path.parent, SCHEMA),
    COMPONENTS: load_weights,
    POOL: lambda path: load_pool(path.parent, SCHEMA),
    CACHED_PREDICTIONS: lambda path: load_cached_predictions(path.parent, NOBODY, "train", 1),
    MEMBERS: lambda path: load_facts(path.parent),
    MEMBER: lambda path: read_member(path.parent),
    SCORES: lambda path: load_scores(path.parent, "test", 1, 1),
    "predictions.safetensors": lambda path: read_predictions(
        ModelResults("m", path.parent, EVALUATION, ()), FACTS
    ),
    "history.json": read_tree,
    "schema.json": load_schema,
    "train.parquet": lambda path: SplitFile(path, Columns(("a",), ())).load(),
    "trees.txt": lambda path: load_native_trees(path, Inputs(1, ()), ["a"]),
    "params.yaml": load_project,
    "data.yaml": lambda path: ConfigFile(path).tree,
    "tables.yaml": load_study,
    "dvc.lock": lambda path: read_outs(path.parent),
    "ours.lock": read_lock,
}


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("name", LOADERS)
def test_a_file_that_would_run_code_is_refused_without_running_it(
    tmp_path: Path, name: str, payload: str
) -> None:
    made = tmp_path / "made"
    for file in {name, WEIGHTS, COMPONENTS}:
        (tmp_path / file).write_bytes(PAYLOADS[payload](Bomb(made)))
    with pytest.raises(EmmError):
        LOADERS[name](tmp_path / name)
    assert not made.exists()


@pytest.mark.parametrize("payload", ["pickle-0", "pickle-5", "torch"])
def test_the_payloads_do_run_where_they_are_trusted(tmp_path: Path, payload: str) -> None:
    content = PAYLOADS[payload](Bomb(tmp_path / "made"))
    if payload == "torch":
        torch.load(io.BytesIO(content), weights_only=False)
    else:
        pickle.loads(content)
    assert (tmp_path / "made").is_dir()
