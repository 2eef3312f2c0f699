"""What a file was when it was first used, where its publisher tells no hash to check it by."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emm.core.errors import DownloadError
from emm.core.files import write_json
from emm.core.progress import say

PINS = Path("pins")


@dataclass(frozen=True)
class Pin:
    """Size and hash of a file's unpacked content."""

    bytes: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.bytes:,} bytes, sha256 {self.sha256}"


def check_pins(found: Mapping[str, Pin], manifest: Path, dataset: str) -> None:
    """Raise DownloadError if ``manifest`` is there and says something else of the ``found`` files.

    ``found``: by name, the files that no published hash speaks for.
    """
    pinned = _read(manifest) if found else None
    if pinned is None or pinned == found:
        return
    names = sorted(name for name in {*found, *pinned} if found.get(name) != pinned.get(name))
    raise DownloadError(
        f"{dataset}: not what was pinned at first use: {', '.join(names)}",
        where=manifest,
        got=_listing(names, found),
        expected=_listing(names, pinned),
        next_step="put the earlier content back; or, if the new one is wanted, delete "
        f"{manifest}, then run: dvc repro --force download@{dataset}",
    )


def write_pins(found: Mapping[str, Pin], manifest: Path, dataset: str) -> None:
    """Write ``found`` to ``manifest`` unless it is there, or nothing needs a pin."""
    if found and not manifest.exists():
        write_json(manifest, {name: asdict(found[name]) for name in sorted(found)})
        names = " and ".join(sorted(found))
        say(f"{dataset}: {manifest} now says what {names} must be; commit it (git add {manifest})")


def _listing(names: list[str], pins: Mapping[str, Pin]) -> str:
    return "; ".join(f"{name}: {pins.get(name, 'none')}" for name in names)


def _read(manifest: Path) -> dict[str, Pin] | None:
    if not manifest.exists():
        return None
    try:
        tree: Any = json.loads(manifest.read_text(encoding="utf-8"))
        return {name: Pin(int(pin["bytes"]), str(pin["sha256"])) for name, pin in tree.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DownloadError(
            f"{manifest} can't be read",
            got=str(error) or type(error).__name__,
            expected="a JSON object: for each file its bytes and sha256",
            next_step=f"get it back from git: git checkout {manifest}",
        ) from error
