"""Stores of objects by md5: the cache of this clone, and remotes of any kind."""

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from emm_dvc.verify.outs import BLOCK, LARGEST_LIST, VerifyError

Read = Callable[[int], object]


class Store(Protocol):
    """A store of objects by md5; ``place`` is its name in messages."""

    place: str

    def where(self, md5: str) -> str:
        """The object's path or address."""

    def open(self, md5: str) -> AbstractContextManager[BinaryIO]:
        """Open the object; FileNotFoundError if the store doesn't have it."""


class Cache:
    """The cache, a folder of this machine."""

    place = "cache"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def where(self, md5: str) -> str:
        return str(self.folder / "files/md5" / md5[:2] / md5[2:])

    def open(self, md5: str) -> AbstractContextManager[BinaryIO]:
        return Path(self.where(md5)).open("rb")


class Remote:
    """A remote of DVC's configuration, read through DVC's file systems."""

    def __init__(self, root: Path, name: str) -> None:
        # Imported late: nothing else needs DVC in this process.
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        self.place = f"remote {name}"
        try:
            self.objects: Any = Repo(str(root)).cloud.get_remote_odb(name)
        except DvcException as error:
            raise VerifyError(
                f"the remote {name} can't be used: {error}", next_step="dvc remote list"
            ) from error

    def where(self, md5: str) -> str:
        return str(self.objects.fs.unstrip_protocol(self.objects.oid_to_path(md5)))

    @contextmanager
    def open(self, md5: str) -> Iterator[BinaryIO]:
        try:
            with self.objects.fs.open(self.objects.oid_to_path(md5), "rb") as file:
                yield file
        except FileNotFoundError:
            raise
        # Each kind of remote raises its own errors.
        except Exception as error:
            raise VerifyError(
                f"the {self.place} can't be read: {error}",
                where=self.where(md5),
                next_step="check the address and the credentials: dvc remote list, dvc doctor",
            ) from error


def cache_of(root: Path) -> Cache:
    """The cache that DVC is configured to use; VerifyError outside a DVC repository."""
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if found.returncode:
        raise VerifyError(
            f"DVC has no cache here: {found.stderr.strip()}",
            where=root,
            next_step="run this in the project's root",
        )
    return Cache(root / found.stdout.strip())


def digest(file: BinaryIO, read: Read) -> str:
    """The md5 of a file, read in blocks; ``read`` is called with the size of each."""
    found = hashlib.md5(usedforsecurity=False)
    while block := file.read(BLOCK):
        found.update(block)
        read(len(block))
    return found.hexdigest()


def content(store: Store, md5: str) -> bytes:
    """The bytes of a small object, such as a list of files; at most one more than the limit."""
    with store.open(md5) as file:
        return file.read(LARGEST_LIST + 1)
