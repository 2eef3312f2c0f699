"""A git and DVC repository with the real pipeline and code, on tiny generated data."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from emm.core.files import sha256
from emm.data.datasets.census_income import SOURCE
from tests.census import write_raw
from tests.configuration import CENSUS, ROOT, Change, Tree, edit, replace

PARAMS, DATA, PAPER = "params.yaml", f"conf/{CENSUS}/data.yaml", f"conf/{CENSUS}/paper.yaml"
COPIED = (
    "stages",
    "src",
    "pool",
    "conf",
    "dvc.yaml",
    "params.yaml",
    "Makefile",
    "README.md",
    ".dvcignore",
    ".gitattributes",
    ".gitignore",
)

# A model of each kind; tests/stages runs all of them.
LISTS: Tree = {
    "trained": ["tm-1", "tm-2"],
    "trees": ["gbdt"],
    "baselines": ["mmoe", "ple"],
    "fused": ["emm", "ensemble"],
    "students": [],
    "table": ["tm-1", "tm-2", "gbdt", "mmoe", "ple", "ensemble", "emm"],
}


@dataclass(frozen=True)
class Workspace:
    """A repository; commands run in its root and with its code."""

    root: Path

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        found = subprocess.run(
            command, cwd=self.root, env=self.environment(), capture_output=True, text=True
        )
        assert not check or found.returncode == 0, found.stdout + found.stderr
        return found

    def stage(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, f"stages/{script}.py", *words, check=False)

    def repro(self, *words: str) -> set[str]:
        """Run ``dvc repro``; returns the names of the stages that ran."""
        output = self.run("dvc", "repro", *words).stdout
        return set(re.findall(r"Running stage '(.+?)'", output))

    def change(self, file: str, change: Change) -> None:
        """Change the settings in a YAML file: ``PARAMS``, ``DATA``, ``PAPER``, ..."""
        edit(self.root / file, change)

    def replace(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        assert old in text
        (self.root / path).write_text(text.replace(old, new))

    def copy(self, root: Path) -> "Workspace":
        shutil.copytree(self.root, root, symlinks=True)
        return Workspace(root)

    def environment(self) -> dict[str, str]:
        identity = {
            f"GIT_{role}_{key}": "tester@example.org"
            for role in ("AUTHOR", "COMMITTER")
            for key in ("NAME", "EMAIL")
        }
        return {
            **os.environ,
            **identity,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.root / "src"),
            "DVC_NO_ANALYTICS": "1",
            "OMP_NUM_THREADS": "1",
        }


def make_workspace(root: Path) -> Workspace:
    """Create a repository in which no stage has run."""
    root.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source, root / name, ignore=ignored)
        else:
            shutil.copy(source, root / name)
    replace(root / PARAMS, "recipe: default ", "recipe: paper ")
    workspace = Workspace(root)
    workspace.change(PARAMS, lambda tree: tree.update(LISTS))
    workspace.run("emm", "check", "--fix")
    workspace.run("git", "init", "--quiet", "--initial-branch=main")
    workspace.run("dvc", "init", "--quiet")
    shutil.copytree(ROOT / ".dvc/plots", root / ".dvc/plots")
    write_raw(workspace.root / "given")
    pin_raw(workspace)
    workspace.change(DATA, _use_given)
    workspace.change(PAPER, _make_small)
    workspace.run("git", "add", "--all")
    workspace.run("git", "commit", "--quiet", "--message=start")
    return workspace


def pin_raw(workspace: Workspace) -> None:
    """Write the hashes and sizes of the files in ``given`` to the workspace's dataset module."""
    manifest = workspace.root / "src/emm/data/datasets/census_income.py"
    text = manifest.read_text()
    for file in SOURCE.files:
        path = workspace.root / "given" / file.name
        pattern = rf'(name="{file.name}",\s+sha256=")\w+(",\s+bytes=)[\d_]+'
        text, count = re.subn(pattern, rf"\g<1>{sha256(path)}\g<2>{path.stat().st_size}", text)
        assert count == 1
    manifest.write_text(text)


def _use_given(data: Tree) -> None:
    data["source"]["path"] = "given"
    data["preprocess"]["max_rejected"] = 0.0
    data["check-data"]["max_rate_difference"] = 0.9


def _make_small(paper: Tree) -> None:
    paper["training"].update(batch_size=128, max_epochs=2, device="cpu")
    paper["train"]["gbdt"].update(max_iterations=5, min_samples_leaf=5)
    paper["fusion"].update(trees=["gbdt"], fit_on="out-of-fold", folds=2)
    paper["train"]["emm"].update(merge=False, start={"towers": "frozen"})
