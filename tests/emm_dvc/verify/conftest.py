"""A git and DVC repository with a folder, a file and a file in git as outs, and a remote."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

MAIN = "from emm.commands.cli import main; main()"
GRAPH = """
stages:
  train:
    foreach: [a, b]
    do:
      cmd: >-
        python -c "from pathlib import Path; p = Path('data/${item}/deep'); p.mkdir(parents=True);
        (p / 'w').write_text('weights ${item}' * 9); (p / 'x').write_text('more')"
      deps: [code]
      outs: ["data/${item}"]
  score:
    cmd: cp data/a/deep/w data/score
    deps: [data/a]
    outs: [data/score]
  report:
    foreach: [a]
    do:
      cmd: mkdir -p reports/${item} && cp data/score reports/${item}/page
      deps: [data/score]
      outs:
        - reports/${item}:
            cache: false
"""
STUDY = """
stages:
  study:
    wdir: ..
    cmd: cp data/score study/data
    deps: [data/score]
    outs: [study/data]
"""


@dataclass(frozen=True)
class Repository:
    root: Path

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
        who = {
            f"GIT_{role}_{key}": "tester@example.org"
            for role in ("AUTHOR", "COMMITTER")
            for key in ("NAME", "EMAIL")
        }
        environment = {**os.environ, **who, "PATH": os.pathsep.join(paths)}
        found = subprocess.run(
            command, cwd=self.root, capture_output=True, text=True, env=environment
        )
        assert not check or found.returncode == 0, found.stdout + found.stderr
        return found

    def verify(self, *words: str) -> tuple[int, str]:
        found = self.run(sys.executable, "-c", MAIN, "verify", *words, check=False)
        assert "Traceback" not in found.stderr
        return found.returncode, found.stdout + found.stderr

    def shell(self, command: str) -> None:
        self.run("sh", "-c", command)

    def object(self, path: str, store: str = ".dvc/cache") -> Path:
        """Where a file of the workspace lies in a store."""
        md5 = self.run("md5sum", path).stdout.split()[0]
        return self.root / store / "files/md5" / md5[:2] / md5[2:]


def flip(path: Path) -> None:
    """Another byte, at the same time as before: as a failing disk does it."""
    status = path.stat()
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    root = tmp_path_factory.mktemp("verify") / "project"
    (root / "study").mkdir(parents=True)
    (root / "dvc.yaml").write_text(GRAPH)
    (root / "study/dvc.yaml").write_text(STUDY)
    (root / "code").write_text("1")
    (root / ".gitignore").write_text("/data/\n/study/data\n/remote/\n")
    repository = Repository(root)
    repository.run("git", "init", "--quiet")
    repository.run("dvc", "init", "--quiet")
    repository.run("dvc", "remote", "add", "store", "remote")
    repository.run("dvc", "repro", "--all-pipelines")
    repository.run("dvc", "push", "--remote", "store")
    repository.run("git", "add", "--all")
    repository.run("git", "commit", "--quiet", "--message=done")
    return repository


@pytest.fixture
def repository(finished: Repository, tmp_path: Path) -> Repository:
    shutil.copytree(finished.root, tmp_path / "project", symlinks=True)
    return Repository(tmp_path / "project")
