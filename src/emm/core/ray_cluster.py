"""The connection to a Ray cluster."""

import os
import signal
import socket
from importlib import import_module
from typing import Any

from emm.core.errors import EmmError

_KNOCK_SECONDS = 10.0


def connect(refused: type[EmmError]) -> Any:
    """The module `ray`, connected to the cluster of RAY_ADDRESS, by default that of this machine.

    Raises ``refused`` if Ray isn't installed or no cluster answers.
    """
    try:
        ray: Any = import_module("ray")
    except ImportError as error:
        raise refused(
            "Ray isn't installed",
            got=str(error),
            expected="the extra `ray` of this project",
            next_step='pip install -e ".[ray]"',
        ) from error
    address, handler = os.environ.get("RAY_ADDRESS", "auto"), signal.getsignal(signal.SIGTERM)
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level="warning")
    except (OSError, RuntimeError) as error:
        raise refused(
            f"no Ray cluster answers: {error}",
            where=address,
            next_step="ray start --head, or set RAY_ADDRESS",
        ) from error
    # Ray's own handler would exit and leave tasks running and temporary files behind.
    signal.signal(signal.SIGTERM, handler)
    return ray


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at an address, where Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and "/" not in host:
        socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()
