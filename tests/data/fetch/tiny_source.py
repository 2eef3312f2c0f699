"""A tiny dataset to download, packed in many ways, and the folders of a test."""

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from emm.data.datasets.source import RawFile, Source
from emm.data.fetch.download import fetch

TRAIN, TEST = b"73, Not in universe\n" * 5000, b"38, Private\n" * 3000


def raw_file(name: str, content: bytes, alias: str) -> RawFile:
    return RawFile(name, hashlib.sha256(content).hexdigest(), len(content), (alias,))


SOURCE = Source(
    title="Tiny census",
    homepage="https://example.org/census",
    doi=None,
    licence="CC0",
    citation="Nobody (2000)",
    files=(raw_file("c.data", TRAIN, "train.csv"), raw_file("c.test", TEST, "test.csv")),
    urls=(),
    package=None,
    max_bytes=1_000_000,
    by_hand="the Download button",
)


def make_zip(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def make_tar(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def make_tar_gz(files: Mapping[str, bytes]) -> bytes:
    return gzip.compress(make_tar(files))


FILES = {"c.data": TRAIN, "c.test": TEST}
ZIP = make_zip(FILES)
GZIPPED = {f"{name}.gz": gzip.compress(content) for name, content in FILES.items()}
ARCHIVES = {
    "zip": ZIP,
    "tar.gz": make_tar_gz({"x/c.data": TRAIN, "x/c.test.gz": gzip.compress(TEST)}),
    "as UCI packs it": make_zip({"c.tar.gz": make_tar_gz(GZIPPED), "c.names": b"notes"}),
}


class Place:
    """The folders of a test, and what they contain."""

    def __init__(self, root: Path) -> None:
        self.raw, self.cache, self.local = root / "raw" / "tiny", root / "cache", root / "mine"
        self.placed, self.pins = root / "placed", root / "pins"

    def fetch(self, source: Source = SOURCE, local: Path | None = None) -> None:
        fetch(
            source,
            self.raw,
            dataset="tiny",
            cache=self.cache,
            local=local,
            placed=self.placed,
            pins=self.pins,
        )

    def put(self, files: Mapping[str, bytes]) -> Path:
        self.local.mkdir()
        for name, content in files.items():
            (self.local / name).write_bytes(content)
        return self.local

    def raw_files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.raw.iterdir()}

    def nothing_written(self) -> bool:
        return not self.raw.parent.exists() or list(self.raw.parent.iterdir()) == []

    def cached(self) -> list[str]:
        return sorted(path.name for path in self.cache.rglob("*") if path.is_file())
