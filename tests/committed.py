"""Files of the current commit: what a local run left in the working tree is not tested."""

import io
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def copy_committed(out: Path, *names: str) -> Path:
    """Write the files and folders ``names`` of HEAD to ``out``; without git, those on disk."""
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", "HEAD", *names]
    try:
        found = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        found = _archive(names)
    with tarfile.open(fileobj=io.BytesIO(found)) as archive:
        for member in filter(tarfile.TarInfo.isfile, archive):
            path = out / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.extractfile(member).read())  # type: ignore[union-attr]
    return out


def _archive(names: tuple[str, ...]) -> bytes:
    """The files on disk."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            archive.add(ROOT / name, arcname=name)
    return buffer.getvalue()
