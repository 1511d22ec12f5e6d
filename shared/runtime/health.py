"""Is this process well? Answered over HTTP: `/livez`, `/readyz` and `/metrics`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

STILL = 30.0
"""Seconds without a turn of the event loop after which a process counts as dead."""


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """A probe a second is no news."""


class Health:
    """What the parts of a process say of themselves. Served from a thread, so that a blocked loop is told too."""

    def __init__(self) -> None:
        self.parts: dict[str, tuple[bool, str]] = {}
        self.turned = time.monotonic()

    def ready(self, part: str, well: bool, detail: str) -> None:
        """`part` is (not) doing its work; `detail` is a sentence for people."""
        self.parts[part] = (well, detail)

    def turn(self) -> None:
        """The event loop is alive."""
        self.turned = time.monotonic()

    def serve(self, host: str, port: int) -> str:
        """Begin to answer, and return the address."""
        server = make_server(host, port, self._answer, server_class=Server, handler_class=Quiet)
        threading.Thread(target=server.serve_forever, daemon=True, name="health").start()
        return f"http://{host}:{server.server_port}"

    def _answer(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/metrics":
                metrics: Iterable[bytes] = make_wsgi_app()(environ, start)
                return metrics
            case "/livez":
                still = time.monotonic() - self.turned
                well, lines = still < STILL, [f"the event loop turned {still:.1f} s ago"]
            case "/readyz":
                well = bool(self.parts) and all(well for well, _ in self.parts.values())
                lines = [
                    f"{part}: {'ready' if ok else 'not ready'}, {detail}" for part, (ok, detail) in self.parts.items()
                ]
            case _:
                start("404 Not Found", [("content-type", "text/plain; charset=utf-8")])
                return [b"ask for /livez, /readyz or /metrics\n"]
        start("200 OK" if well else "503 Service Unavailable", [("content-type", "text/plain; charset=utf-8")])
        return ["".join(f"{line}\n" for line in lines).encode()]
