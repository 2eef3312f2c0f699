import bz2
import gzip
import io
import lzma
import random
import stat
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emm.core.errors import DataError
from emm.data.fetch.archives import find, zstd
from tests.data.fetch.tiny_source import make_tar, make_tar_gz, make_zip

CONTENT = random.Random(0).randbytes(200_000)
LIMIT = 10 * len(CONTENT)


def search(
    folder: Path, content: bytes, wanted: Iterable[str] = ("a.csv",), name: str = "archive"
) -> dict[str, bytes]:
    """The files found in an archive of this content; checks that the search writes no file."""
    path = folder / name
    path.write_bytes(content)
    before = sorted(folder.rglob("*"))
    try:
        members = find(path, set(wanted), limit=LIMIT, scratch=folder)
        return {member.name: member.stream.read() for member in members}
    finally:
        assert sorted(folder.rglob("*")) == before


PACKINGS: dict[str, bytes] = {
    "zip": make_zip({"a.csv": CONTENT}),
    "tar": make_tar({"a.csv": CONTENT}),
    "tar.gz": make_tar_gz({"a.csv": CONTENT}),
    "tar.bz2": bz2.compress(make_tar({"a.csv": CONTENT})),
    "tar.xz": lzma.compress(make_tar({"a.csv": CONTENT})),
    "in a folder": make_zip({"x/y/": b"", "x/y/a.csv": CONTENT}),
    "after others": make_tar({"b.csv": b"b", "README": b"", "a.csv": CONTENT}),
    "tar.zst": zstd.compress(make_tar({"a.csv": CONTENT})),
    "gz in zip": make_zip({"a.csv.gz": gzip.compress(CONTENT)}),
    "gz in tar.gz in zip": make_zip({"c.tgz": make_tar_gz({"a.csv.gz": gzip.compress(CONTENT)})}),
    "zip in tar in zip": make_zip({"t": make_tar({"z": make_zip({"a.csv": CONTENT})})}),
    "not compressed despite .gz": make_zip({"a.csv.gz": CONTENT}),
}


@pytest.mark.parametrize("packed", PACKINGS.values(), ids=PACKINGS)
def test_a_file_is_found_in_every_kind_of_archive(tmp_path: Path, packed: bytes) -> None:
    assert search(tmp_path, packed) == {"a.csv": CONTENT}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CONTENT),
        ("a.csv.gz", gzip.compress(CONTENT)),
        ("a.csv.zst", zstd.compress(CONTENT)),
    ],
)
def test_the_file_itself_may_be_wanted(tmp_path: Path, name: str, content: bytes) -> None:
    assert search(tmp_path, content, name=name) == {"a.csv": CONTENT}
    assert search(tmp_path, content, {name}, name=name) == {name: CONTENT}


def test_several_files_are_found_in_one_search(tmp_path: Path) -> None:
    packed = make_tar_gz({"a.csv": b"1", "b/b.csv": b"2", "c.csv": b"3"})
    assert search(tmp_path, packed, {"a.csv", "b.csv"}) == {"a.csv": b"1", "b.csv": b"2"}


def test_a_wanted_archive_is_not_opened(tmp_path: Path) -> None:
    inner = make_zip({"a.png": b"1"})
    assert search(tmp_path, make_zip({"images.zip": inner}), {"images.zip"}) == {
        "images.zip": inner
    }


def test_a_member_has_its_path(tmp_path: Path) -> None:
    path = tmp_path / "o.zip"
    path.write_bytes(make_zip({"x/i.tar": make_tar({"y/a.csv": b""})}))
    (member,) = find(path, {"a.csv"}, limit=LIMIT, scratch=tmp_path)
    assert member.where == f"{path} > x/i.tar > y/a.csv"


def test_archives_are_searched_to_a_depth_of_three(tmp_path: Path) -> None:
    third = make_zip({"third": make_tar({"a.csv": CONTENT})})
    assert search(tmp_path, make_zip({"second": third})) == {"a.csv": CONTENT}
    assert search(tmp_path, make_zip({"first": make_tar({"second": third})})) == {}


def test_nothing_is_found_in_a_file_that_is_not_an_archive(tmp_path: Path) -> None:
    assert search(tmp_path, b"<html>not found</html>") == {}


UNSAFE_NAMES = ["../a.csv", "x/../../a.csv", "/etc/a.csv", "..\\a.csv", "\\a.csv", "C:\\a.csv"]


@pytest.mark.parametrize("make", [make_zip, make_tar, make_tar_gz])
@pytest.mark.parametrize("name", UNSAFE_NAMES)
def test_a_path_outside_of_the_folder_is_refused(
    tmp_path: Path, make: Callable[[Mapping[str, bytes]], bytes], name: str
) -> None:
    with pytest.raises(DataError, match="isn't safe to unpack") as error:
        search(tmp_path, make({name: CONTENT}))
    assert repr(name) in str(error.value)


def zip_link(mode: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("a.csv")
        info.external_attr = (mode | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return out.getvalue()


def tar_link(kind: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("a.csv")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    return out.getvalue()


LINKS = {
    "zip symlink": zip_link(stat.S_IFLNK),
    "zip device": zip_link(stat.S_IFBLK),
    "tar symlink": tar_link(tarfile.SYMTYPE),
    "tar hard link": tar_link(tarfile.LNKTYPE),
    "tar character device": tar_link(tarfile.CHRTYPE),
    "tar block device": tar_link(tarfile.BLKTYPE),
    "tar pipe": tar_link(tarfile.FIFOTYPE),
}


@pytest.mark.parametrize("packed", LINKS.values(), ids=LINKS)
def test_links_and_devices_are_refused(tmp_path: Path, packed: bytes) -> None:
    with pytest.raises(DataError, match="a link or device"):
        search(tmp_path, packed)


ZEROS = bytes(LIMIT + 1)
BOMBS = {
    "wanted, in zip": make_zip({"a.csv": ZEROS}),
    "wanted, gz in zip": make_zip({"a.csv.gz": gzip.compress(ZEROS)}),
    "skipped in a tar": make_tar_gz({"b.csv": ZEROS, "a.csv": b""}),
    "nested": make_zip({"z": make_zip({"z": make_zip({"a.csv": ZEROS})})}),
}


@pytest.mark.parametrize("packed", BOMBS.values(), ids=BOMBS)
def test_unpacking_stops_at_the_limit(tmp_path: Path, packed: bytes) -> None:
    with pytest.raises(DataError, match="unpacks to more than allowed"):
        search(tmp_path, packed)


def test_a_stream_is_unpacked_only_as_far_as_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(bytes(20_000_000)))
    with closing(find(path, {"a.csv"}, limit=LIMIT, scratch=tmp_path)) as members:
        stream = next(members).stream
        tracemalloc.start()
        assert len(stream.read(1000)) == 1000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize("name", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz", "gz in zip"])
def test_a_truncated_archive_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="is damaged or cut off"):
        search(tmp_path, PACKINGS[name][: len(CONTENT) // 2])


def test_an_encrypted_member_is_an_error(tmp_path: Path) -> None:
    packed = bytearray(make_zip({"a.csv": CONTENT}))
    packed[packed.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(DataError, match="password"):
        search(tmp_path, bytes(packed))


def test_a_missing_archive_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can't be opened"):
        list(find(tmp_path / "none.zip", {"a.csv"}, limit=LIMIT, scratch=tmp_path))


def test_a_member_without_a_name_is_refused(tmp_path: Path) -> None:
    packed = make_zip({"z": b"content"})
    name = packed.rindex(b"z")  # in the list of members, where a zero byte ends it
    with pytest.raises(DataError, match="isn't safe to unpack"):
        search(tmp_path, packed[:name] + b"\0" + packed[name + 1 :])


SMALL = [make({"x/b.csv": b"b" * 50, "a.csv": b"a" * 500}) for make in (make_zip, make_tar_gz)]
SMALL += [gzip.decompress(SMALL[1])[:4096], make_zip({"t.tgz": SMALL[1], "z": SMALL[0]})]


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), packed=st.sampled_from(SMALL))
def test_any_damage_raises_at_most_a_data_error(
    tmp_path: Path, data: st.DataObject, packed: bytes
) -> None:
    damaged = bytearray(packed)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = search(tmp_path, bytes(damaged))
    except DataError:
        return
    assert set(found) <= {"a.csv"}
