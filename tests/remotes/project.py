"""A small git and DVC project with a pipeline that runs in a second.

Its data is large enough to interrupt a push.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.remotes.stores import Store

# A command that takes longer (seconds) is stuck and has not reported a clear error.
TIMEOUT = 120
FILES = 16
BYTES = 1_500_000
RAW_DATA = "raw data that its terms forbid to share"

# As in the real pipeline, raw is never pushed; encoded is large and the models are small.
PIPELINE = """
stages:
  fetch:
    cmd: python make.py raw
    deps: [make.py]
    outs:
      - raw:
          push: false
  encode:
    cmd: python make.py encoded
    deps: [make.py, raw]
    outs: [encoded]
  train:
    matrix:
      model: [first, second]
    cmd: python make.py ${item.model}
    deps: [make.py, encoded]
    params:
      - params.json:
          - ${item.model}
    outs:
      - models/${item.model}
"""

MAKE = """\
import hashlib, json, pathlib, random, sys

FILES, BYTES = %d, %d

name = sys.argv[1]
if name == "raw":
    source = pathlib.Path("placed")
    assert source.exists(), "place the raw data first"
    pathlib.Path("raw").write_text(source.read_text())
elif name == "encoded":
    folder = pathlib.Path("encoded")
    folder.mkdir()
    draws = random.Random(pathlib.Path("raw").read_text())
    for number in range(FILES):
        (folder / str(number)).write_bytes(draws.randbytes(BYTES))
else:
    digest = hashlib.sha256()
    for path in sorted(pathlib.Path("encoded").iterdir()):
        digest.update(path.read_bytes())
    weights = {"data": digest.hexdigest(), "rate": json.load(open("params.json"))[name]}
    pathlib.Path("models").mkdir(exist_ok=True)
    pathlib.Path(f"models/{name}").write_text(json.dumps(weights))
"""


@dataclass(frozen=True)
class Project:
    """The folder of a clone, and the environment its commands run in."""

    root: Path
    environment: dict[str, str]

    @property
    def site(self) -> Path:
        """A site cache for this clone; by default all clones on a machine share one."""
        return self.root / ".dvc/tmp/site"

    def start(self, *command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command,
            cwd=self.root,
            env={**os.environ, **self.environment, "DVC_SITE_CACHE_DIR": str(self.site)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def attempt(self, *command: str) -> tuple[int, str]:
        """Run a command; returns its exit code and output."""
        with self.start(*command) as process:
            try:
                output, _ = process.communicate(timeout=TIMEOUT)
            finally:
                process.kill()
        return process.returncode, output

    def run(self, *command: str) -> str:
        code, output = self.attempt(*command)
        assert code == 0, output
        return output

    def failure(self, *command: str) -> str:
        """Run a command that must fail with an error message; returns its output."""
        code, output = self.attempt(*command)
        assert code in (1, 255), output
        assert "--verbose" in command or "Traceback" not in output
        assert "ERROR" in output
        return output

    def pulled_repro(self) -> set[str]:
        """Run ``dvc repro --pull --allow-missing``; returns the names of the stages that ran."""
        return ran(self.run("dvc", "repro", "--pull", "--allow-missing"))

    def commit(self, message: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", f"--message={message}")

    def change(self, model: str, rate: float) -> None:
        path = self.root / "params.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), model: rate}))

    def objects(self) -> list[str]:
        """Hashes of the data in the local cache."""
        cache = self.root / ".dvc/cache/files/md5"
        return sorted(path.parent.name + path.name for path in cache.glob("??/*"))

    def copy(self, root: Path) -> "Project":
        shutil.copytree(self.root, root, symlinks=True)
        return Project(root, self.environment)

    def clone(self, root: Path) -> "Project":
        """A colleague's clone: the files in git and the secrets of the remote."""
        self.run("git", "clone", "--quiet", str(self.root), str(root))
        secrets = self.root / ".dvc/config.local"
        if secrets.exists():
            shutil.copy(secrets, root / ".dvc/config.local")
        return Project(root, self.environment)

    def without_lock(self, root: Path) -> "Project":
        """A clone without dvc.lock."""
        clone = self.clone(root)
        clone.run("git", "rm", "--quiet", "dvc.lock")
        clone.run("git", "commit", "--quiet", "--message=no lock")
        return clone


def make_project(root: Path) -> Project:
    """A project without a remote whose pipeline has run; everything is committed."""
    root.mkdir(parents=True)
    project = Project(root, environment())
    project.run("git", "init", "--quiet", "--initial-branch=main")
    project.run("dvc", "init", "--quiet")
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / "make.py").write_text(MAKE % (FILES, BYTES))
    (root / "params.json").write_text(json.dumps({"first": 0.1, "second": 0.2}))
    (root / ".gitignore").write_text("/placed\n/raw\n/encoded\n/models\n")
    (root / "placed").write_text(RAW_DATA)
    project.run("dvc", "repro")
    project.commit("first results")
    return project


def with_remote(project: Project, store: Store, root: Path) -> Project:
    """A copy with the store as its remote, set up as in docs/sharing.md, without secrets in git."""
    made = Project(project.copy(root).root, {**project.environment, **store.environment})
    settings = {"url": store.url, "verify": "true", **store.options}
    (root / ".dvc/config").write_text("[core]\n    remote = results\n" + _section(settings))
    set_secrets(made, store.secrets)
    made.commit("remote")
    return made


def set_secrets(project: Project, secrets: dict[str, str]) -> None:
    (project.root / ".dvc/config.local").write_text(_section(secrets))


def _section(settings: dict[str, str]) -> str:
    lines = [f"    {key} = {value}" for key, value in settings.items()]
    return "\n".join(["['remote \"results\"']", *lines, ""])


def environment() -> dict[str, str]:
    identity = {
        f"GIT_{role}_{key}": "tester@example.org"
        for role in ("AUTHOR", "COMMITTER")
        for key in ("NAME", "EMAIL")
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**identity, "PATH": path, "DVC_NO_ANALYTICS": "1"}


def ran(output: str) -> set[str]:
    """Names of the stages that ran, from the output of ``dvc repro``."""
    return set(re.findall(r"Running stage '(.+?)'", output))
