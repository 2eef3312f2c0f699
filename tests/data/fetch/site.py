"""A local web server that misbehaves on request."""

import re
import socketserver
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Site:
    """The server's answers and faults."""

    def __init__(self) -> None:
        self.content = b""
        self.headers = {"ETag": '"one"'}
        self.status = 200
        self.ranges = True  # whether Range requests are supported
        self.supports_if_range = True
        self.range_start_off_by = 0
        self.range_limit: int | None = None  # length of a range in bytes
        self.sends_length = True
        self.cut: int | None = None  # close the connection after so many bytes of the body
        self.hangs = threading.Event()  # awaited before closing the connection
        self.hangs.set()
        self.requests: list[Mapping[str, str]] = []
        self.address = ""

    def url(self, name: str) -> str:
        return f"{self.address}/{name}"


class SiteHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        site: Site = self.server.site  # type: ignore[attr-defined]
        site.requests.append(dict(self.headers))
        requested = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = not site.supports_if_range or self.headers.get("If-Range") in site.headers.values()
        if requested and site.ranges and same:
            self._send_range(site, int(requested[1]))
        else:
            self._send(site, site.status, site.content, {})

    def _send_range(self, site: Site, start: int) -> None:
        size = len(site.content)
        if start >= size:
            return self._send(site, 416, b"", {"Content-Range": f"bytes */{size}"})
        body = site.content[start:][: site.range_limit]
        first = start + site.range_start_off_by
        header = {"Content-Range": f"bytes {first}-{first + len(body) - 1}/{size}"}
        return self._send(site, 206, body, header)

    def _send(self, site: Site, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**site.headers, **headers}.items():
            self.send_header(name, value)
        if site.sends_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: site.cut])
        self.wfile.flush()
        site.hangs.wait(timeout=10)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


class SiteServer(ThreadingHTTPServer):
    site: Site

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that hang up, which is part of the tests."""

    def server_bind(self) -> None:
        # HTTPServer looks up the machine's full name, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]
