import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from emm.core.errors import DownloadError
from emm.data.datasets.source import Package
from emm.data.fetch import packages
from emm.data.fetch.packages import packaged

MakePackage = Callable[[Mapping[str, bytes]], Package]


def test_the_source_distribution_is_downloaded(make_package: MakePackage, tmp_path: Path) -> None:
    package = make_package({"data/train.csv": b"1, 2\n"})
    with (
        packaged(package, tmp_path / "cache") as path,
        tarfile.open(path) as tar,
        tar.extractfile("tiny_census-1.0/data/train.csv") as file,  # type: ignore[union-attr]
    ):
        assert file.read() == b"1, 2\n"


def test_the_cache_is_empty_afterwards(make_package: MakePackage, tmp_path: Path) -> None:
    with packaged(make_package({}), tmp_path / "cache"):
        pass
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_wrong_hash_is_an_error(make_package: MakePackage, tmp_path: Path) -> None:
    package = replace(make_package({}), sha256="0" * 64)
    with pytest.raises(DownloadError, match="HASHES"), packaged(package, tmp_path):
        pass


def test_an_unknown_package_is_reported(make_package: MakePackage, tmp_path: Path) -> None:
    package = replace(make_package({}), requirement="tiny-census==2.0")
    with (
        pytest.raises(DownloadError, match=r"No matching distribution found for tiny-census==2\.0"),
        packaged(package, tmp_path),
    ):
        pass


def test_pip_has_a_time_limit(
    make_package: MakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "PIP_SECONDS", 0.01)
    with (
        pytest.raises(DownloadError, match="no result after"),
        packaged(make_package({}), tmp_path),
    ):
        pass


def test_the_hash_is_verified_even_if_pip_succeeds(
    make_package: MakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], package: Package, scratch: Path) -> None:
        folder = Path(command[-1])
        folder.mkdir()
        folder.joinpath("tiny_census-1.0.tar.gz").write_bytes(b"other")

    monkeypatch.setattr(packages, "_run", run)
    with pytest.raises(DownloadError, match="sha256"), packaged(make_package({}), tmp_path):
        pass


def test_a_missing_pip_is_reported(
    make_package: MakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An empty pip package on the path simulates a virtual environment without pip.
    (tmp_path / "empty" / "pip").mkdir(parents=True)
    (tmp_path / "empty" / "pip" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "empty"))
    with pytest.raises(DownloadError, match=r"pip\.__main__"), packaged(make_package({}), tmp_path):
        pass
