"""Real servers on the loopback interface, each with its files in one folder."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"
START_SECONDS = 30
ACCESS_KEY = "tester"
SECRET_KEY = "not-a-secret"
BUCKET = "results"

# sshd run by root needs this folder, which the distribution's start script normally creates.
PRIVILEGE_SEPARATION = Path("/run/sshd")

SSHD_CONFIG = """
ListenAddress {address}
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
Subsystem sftp internal-sftp
"""


@dataclass
class Server:
    """A program that listens on a loopback port."""

    command: list[str]
    port: int
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
            )
        deadline = time.monotonic() + START_SECONDS
        while not _answers(self.port):
            running = self.process.poll() is None and time.monotonic() < deadline
            assert running, (self.folder / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """Kill the server and its children, which closes all connections."""
        if self.process is None:
            return
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.process.pid)
            for each in [parent, *parent.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
        self.process.wait()
        self.process = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def missing(kind: str) -> str | None:
    """Message about programs missing to test this kind of remote; None if there are none."""
    programs = {"ssh": ("sshd", "ssh-keygen"), "s3": ("juicefs",)}.get(kind, ())
    lacking = [program for program in programs if find(program) is None]
    if kind != "directory" and find_spec(f"dvc_{kind}") is None:
        lacking.append(f"dvc-{kind}")
    if not lacking:
        return None
    next_step = "make test-remotes; sshd: apt-get install openssh-server"
    return f"not installed: {', '.join(lacking)}. next: {next_step}"


def find(program: str) -> str | None:
    """Path of a program in this environment or on the system, including /usr/sbin."""
    environment = str(Path(sys.executable).parent)
    return shutil.which(
        program, path=os.pathsep.join([environment, os.environ["PATH"], "/usr/sbin"])
    )


def ssh_server(folder: Path) -> Server:
    """OpenSSH's sshd, which admits the current user with ``user_key`` in ``folder``."""
    for name in ("host_key", "other_key", "user_key"):
        make_key(folder / name)
    port = free_port()
    config = folder / "sshd_config"
    config.write_text(SSHD_CONFIG.format(address=LOOPBACK, port=port, folder=folder))
    if os.geteuid() == 0:
        PRIVILEGE_SEPARATION.mkdir(exist_ok=True)
    return Server([_found("sshd"), "-D", "-e", "-f", str(config)], port, folder)


def make_key(path: Path) -> None:
    command = [_found("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, check=True)


def known_host(folder: Path, port: str, key: str) -> str:
    """Line of known_hosts for the server at ``port`` with the public key ``key`` in ``folder``."""
    kind, text, *_ = (folder / f"{key}.pub").read_text().split()
    return f"[{LOOPBACK}]:{port} {kind} {text}\n"


def user() -> str:
    return getpass.getuser()


def s3_server(folder: Path) -> Server:
    """JuiceFS's S3 gateway to a folder, with metadata in SQLite."""
    juicefs, port = _found("juicefs"), free_port()
    metadata = f"sqlite3://{folder}/metadata.db"
    blocks = ["--storage", "file", "--bucket", f"{folder}/blocks/", "--trash-days", "0"]
    command = [juicefs, "format", *blocks, "--no-agent", metadata, BUCKET]
    made = subprocess.run(command, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    quiet = ["--no-usage-report", "--no-agent", "--backup-meta", "0", "--no-banner"]
    places = ["--log", str(folder / "gateway.log"), "--cache-dir", str(folder / "cache")]
    places += ["--metrics", f"{LOOPBACK}:{free_port()}"]
    return Server(
        [juicefs, "gateway", *quiet, *places, metadata, f"{LOOPBACK}:{port}"],
        port,
        folder,
        {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY},
    )


def _found(program: str) -> str:
    found = find(program)
    assert found is not None, f"{program} is not installed; run: make test-remotes"
    return found


def _answers(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
