"""Remote storage of each kind in docs/sharing.md, set up as described there."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.remotes import servers
from tests.remotes.servers import Server

KINDS = ("directory", "ssh", "s3")
ROOT = Path(__file__).parents[2]
HOST_KEY_SETTING = ".config/fsspec/ssh.json"


@dataclass(frozen=True)
class Store:
    """A remote's url, committed options and secrets, and direct access to its content.

    ``folder``: the server's files. ``stop``: makes the remote unreachable.
    """

    kind: str
    url: str
    folder: Path
    read: Callable[[str], bytes]
    write: Callable[[str, bytes], None]
    remove: Callable[[str], object]
    names: Callable[[], list[str]]
    stop: Callable[[], None]
    start: Callable[[], None]
    options: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    wrong_secrets: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def progress(self) -> int:
        """Number of files that the server has written so far, temporary ones included."""
        return sum(path.is_file() for path in self.folder.rglob("*"))


@contextmanager
def open_store(kind: str, folder: Path) -> Iterator[Store]:
    """Run a store of a kind in `KINDS`."""
    folder.mkdir()
    if kind == "directory":
        yield _directory(folder)
        return
    server = servers.ssh_server(folder) if kind == "ssh" else servers.s3_server(folder)
    try:
        server.start()
        yield (_ssh if kind == "ssh" else _s3)(folder, server)
    finally:
        server.stop()


def _directory(folder: Path) -> Store:
    """A folder that stands for a mounted disk; when unmounted, a file is in its place."""
    place, unmounted = folder / "store", folder / "unmounted"
    place.mkdir()

    def stop() -> None:
        place.rename(unmounted)
        place.write_text("")

    def start() -> None:
        place.unlink()
        unmounted.rename(place)

    return Store("directory", str(place), place, **_files(place), stop=stop, start=start)


def _ssh(folder: Path, server: Server) -> Store:
    place = folder / "store"
    place.mkdir()
    enable_host_key_checks(folder)
    write_known_hosts(folder, servers.known_host(folder, str(server.port), "host_key"))
    return Store(
        "ssh",
        f"ssh://{servers.LOOPBACK}{place}",
        place,
        **_files(place),
        stop=server.stop,
        start=server.start,
        options={"port": str(server.port), "user": servers.user(), "timeout": "20"},
        secrets={"keyfile": str(folder / "user_key")},
        wrong_secrets={"keyfile": str(folder / "other_key")},
        environment={"HOME": str(folder), "SSH_AUTH_SOCK": ""},
    )


def enable_host_key_checks(home: Path) -> None:
    """Apply the setting from docs/sharing.md that enables host key checks."""
    setting = home / HOST_KEY_SETTING
    setting.parent.mkdir(parents=True)
    text = (ROOT / "docs/sharing.md").read_text(encoding="utf-8")
    found = re.search(r"echo '(.+?)' > ~/" + re.escape(HOST_KEY_SETTING), text)
    assert found is not None
    setting.write_text(found[1])


def write_known_hosts(home: Path, lines: str) -> None:
    """Write the user's known_hosts."""
    known = home / ".ssh/known_hosts"
    known.parent.mkdir(exist_ok=True)
    known.write_text(lines)


def _s3(folder: Path, server: Server) -> Store:
    import botocore.session

    url = f"http://{servers.LOOPBACK}:{server.port}"
    client = botocore.session.get_session().create_client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=servers.ACCESS_KEY,
        aws_secret_access_key=servers.SECRET_KEY,
    )
    bucket = servers.BUCKET

    def names() -> list[str]:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="store/")
        keys = (item["Key"] for page in pages for item in page.get("Contents", ()))
        return sorted(key.removeprefix("store/") for key in keys)

    def read(name: str) -> bytes:
        return bytes(client.get_object(Bucket=bucket, Key=f"store/{name}")["Body"].read())

    def write(name: str, content: bytes) -> None:
        client.put_object(Bucket=bucket, Key=f"store/{name}", Body=content)

    return Store(
        "s3",
        f"s3://{bucket}/store",
        folder / "blocks",
        read=read,
        write=write,
        remove=lambda name: client.delete_object(Bucket=bucket, Key=f"store/{name}"),
        names=names,
        stop=server.stop,
        start=server.start,
        options={"endpointurl": url, "region": "us-east-1"},
        secrets={
            "access_key_id": servers.ACCESS_KEY,
            "secret_access_key": servers.SECRET_KEY,
        },
        wrong_secrets={"access_key_id": servers.ACCESS_KEY, "secret_access_key": "wrong"},
        environment={
            "HOME": str(folder),
            "AWS_MAX_ATTEMPTS": "2",
            "AWS_EC2_METADATA_DISABLED": "true",
        },
    )


def _files(place: Path) -> dict[str, Any]:
    def write(name: str, content: bytes) -> None:
        path = place / name
        path.chmod(0o644)
        path.write_bytes(content)

    def names() -> list[str]:
        files = (path for path in place.rglob("*") if path.is_file())
        return sorted(path.relative_to(place).as_posix() for path in files)

    return {
        "read": lambda name: (place / name).read_bytes(),
        "write": write,
        "remove": lambda name: (place / name).unlink(missing_ok=True),
        "names": names,
    }
