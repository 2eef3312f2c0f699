"""Fixtures for tests of downloads: a web server, a package for pip, a place for files."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from emm.data.datasets.source import Package
from tests.data.fetch.site import Site, SiteHandler, SiteServer
from tests.data.fetch.tiny_source import Place, make_tar_gz


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web server for this test only."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    site = Site()
    with SiteServer(("127.0.0.1", 0), SiteHandler) as server:
        server.site = site
        site.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        site.hangs.set()
        server.shutdown()
        thread.join()


# A build backend inside of the package, so that pip needs no other package to read its metadata.
_BACKEND = """
from pathlib import Path

def prepare_metadata_for_build_wheel(directory, settings=None):
    info = Path(directory, "tiny_census-1.0.dist-info")
    info.mkdir()
    info.joinpath("METADATA").write_bytes(Path("PKG-INFO").read_bytes())
    return info.name
"""
_PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


@pytest.fixture
def make_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Mapping[str, bytes]], Package]:
    """Build a source distribution with some files, the only one that pip can find."""
    index = tmp_path / "index"
    index.mkdir()
    settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "PIP_CONFIG_FILE": os.devnull}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    def make(files: Mapping[str, bytes]) -> Package:
        parts = {
            "PKG-INFO": b"Metadata-Version: 2.1\nName: tiny-census\nVersion: 1.0\n",
            "pyproject.toml": _PROJECT.encode(),
            "backend.py": _BACKEND.encode(),
            **files,
        }
        archive = index / "tiny_census-1.0.tar.gz"
        archive.write_bytes(
            make_tar_gz({f"tiny_census-1.0/{name}": part for name, part in parts.items()})
        )
        return Package("tiny-census==1.0", hashlib.sha256(archive.read_bytes()).hexdigest())

    return make


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)
