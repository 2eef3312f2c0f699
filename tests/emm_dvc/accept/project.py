"""A small DVC project with code in a package, a stage with seeds, and a stage that reads it."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

DVC = [sys.executable, "-m", "dvc"]

LIBRARY = '''"""A library."""

STEP = 3


def value(seed, factor=2):
    """The value of a seed."""
    result = seed * factor + STEP
    return result
'''
TRAIN = """
import sys
from pathlib import Path

import yaml

from lib.values import value

training = yaml.safe_load(Path("conf/set/paper.yaml").read_text())["training"]
rows = Path("data/rows.txt").read_text()
out = Path(sys.argv[1])
for seed in training["seeds"]:
    folder = out / f"seed-{seed}"
    folder.mkdir(parents=True)
    (folder / "model.txt").write_text(f"{value(seed)} {rows}")
(out / "history.txt").write_text(str(training["seeds"]))
"""
REPORT = """
from pathlib import Path

files = sorted(Path("data/model").glob("seed-*/model.txt"))
Path("data/report.txt").write_text("".join(file.read_text() for file in files))
"""
STAGES = {
    "rows": {
        "cmd": "mkdir -p data && cp stages/rows.txt data",
        "deps": ["stages/rows.txt"],
        "outs": ["data/rows.txt"],
    },
    "train": {
        "cmd": "python stages/train.py data/model",
        "params": [{"conf/set/paper.yaml": ["training"]}],
        "deps": ["data/rows.txt", "src/lib", "stages/train.py"],
        "outs": ["data/model"],
    },
    "report": {
        "cmd": "python stages/report.py",
        "deps": ["data/model", "src/lib", "stages/report.py"],
        "outs": ["data/report.txt"],
    },
}
FILES = {
    ".gitignore": "/data\n/study/data\n__pycache__\n",
    ".dvcignore": "__pycache__\n",
    "src/lib/__init__.py": "",
    "src/lib/values.py": LIBRARY,
    "stages/rows.txt": "rows\n",
    "stages/train.py": TRAIN,
    "stages/report.py": REPORT,
    "conf/set/paper.yaml": "training:\n  seeds: [3, 4]\n  epochs: 1\n  rate: 0.000001\n",
    "dvc.yaml": yaml.safe_dump({"stages": STAGES}, sort_keys=False),
}


@dataclass(frozen=True)
class Repository:
    """A git repository whose DVC project is in ``folder``."""

    root: Path
    folder: Path

    def run(self, *command: str) -> str:
        variables = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.root / "src"),
            "DVC_NO_ANALYTICS": "1",
            # DVC ignores no file above its project, whatever .dvcignore says.
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        found = subprocess.run(
            command, cwd=self.folder, env=variables, capture_output=True, text=True
        )
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout

    def edit(self, path: str, *changes: tuple[str, str]) -> None:
        file = self.root / path
        text = file.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        file.write_text(text)

    def commit(self) -> None:
        who = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"]
        self.run("git", "add", "--all", ":/")
        self.run("git", *who, "commit", "--quiet", "--message=a commit")

    def changed(self) -> set[str]:
        """Stages whose code, command or params aren't those of dvc.lock."""
        status = yaml.safe_load(self.run(*DVC, "status", "--json"))
        about = ("changed deps", "changed checksum", "changed command")
        return {
            name
            for name, changes in status.items()
            if any(
                key in about
                for change in changes
                for key in ([change] if isinstance(change, str) else change)
            )
        }

    def entries(self) -> dict[str, dict[str, object]]:
        found: dict[str, dict[str, object]] = yaml.safe_load(
            (self.folder / "dvc.lock").read_text()
        )["stages"]
        return found


def make_project(folder: Path) -> Repository:
    """The project, in the repository's root, with all stages up to date and committed."""
    return _copied(folder, "root")


def make_subproject(folder: Path) -> Repository:
    """The same in the folder study/ of a repository, whose stages name the code above."""
    return _copied(folder, "above")


def make_linked(folder: Path) -> Repository:
    """The same in the folder study/ of a repository, with links to the code."""
    return _copied(folder, "linked")


def _copied(folder: Path, layout: str) -> Repository:
    root = folder / "project"
    shutil.copytree(_finished(layout), root, symlinks=True)
    return Repository(root, root if layout == "root" else root / "study")


@cache
def _finished(layout: str) -> Path:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    project = folder if layout == "root" else folder / "study"
    repository = Repository(folder, project)
    for path, text in FILES.items():
        shared = path.startswith(("src", "stages", ".gitignore"))
        file = (folder if shared else project) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    if layout == "above":
        text = FILES["dvc.yaml"].replace("src/lib", "../src/lib").replace("stages/", "../stages/")
        (project / "dvc.yaml").write_text(text)
    if layout == "linked":
        for name in ("src", "stages"):
            (project / name).symlink_to(f"../{name}")
    Repository(folder, folder).run("git", "init", "--quiet", "--initial-branch=main")
    repository.run(*DVC, "init", "--quiet", *([] if layout == "root" else ["--subdir"]))
    (project / ".dvcignore").write_text(FILES[".dvcignore"])
    repository.run(*DVC, "repro", "--quiet")
    repository.commit()
    return folder
