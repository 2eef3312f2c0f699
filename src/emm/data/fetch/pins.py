"""Pins: size and hash at first use of files for which the publisher states no hash."""

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
    """Raise DownloadError if the files found differ from those pinned in ``manifest``.

    ``found``: the files without a published hash, by name.
    """
    pinned = _read(manifest) if found else None
    if pinned is None or pinned == found:
        return
    names = sorted(name for name in {*found, *pinned} if found.get(name) != pinned.get(name))
    raise DownloadError(
        f"{dataset}: files differ from their pins: {', '.join(names)}",
        where=manifest,
        got=_listing(names, found),
        expected=_listing(names, pinned),
        next_step=f"restore the earlier files; or, to use the new ones, delete {manifest}, then "
        f"run: dvc repro --force download@{dataset}",
    )


def write_pins(found: Mapping[str, Pin], manifest: Path, dataset: str) -> None:
    """Write ``found`` to ``manifest`` unless that exists or nothing needs a pin."""
    if found and not manifest.exists():
        write_json(manifest, {name: asdict(found[name]) for name in sorted(found)})
        names = " and ".join(sorted(found))
        say(f"{dataset}: {manifest} now pins {names}; commit it (git add {manifest})")


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
            expected="a JSON object with bytes and sha256 of each file",
            next_step=f"restore it: git checkout {manifest}",
        ) from error
