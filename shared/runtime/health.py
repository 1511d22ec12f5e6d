"""Is this process healthy? Answered over HTTP: `/livez`, `/readyz` (both JSON) and `/metrics`."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING
from wsgiref.simple_server import make_server

from prometheus_client import Gauge, make_wsgi_app
from pydantic import JsonValue

from shared.runtime.bounded_server import BoundedServer, QuietHandler

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

READY = Gauge(
    "modelog_ready", "1 while a part of the process does its work, else 0; /readyz has the reason.", ["component"]
)

DEAD_SECONDS = 30.0
"""A process whose event loop has not run for so long counts as dead."""


class Health:
    """The state of each component of a process. Served from a thread, so that a blocked event loop is reported too."""

    def __init__(self) -> None:
        self.components: dict[str, dict[str, JsonValue]] = {}
        self._last_beat = time.monotonic()

    def report(self, component: str, ready: bool, detail: str, **state: JsonValue) -> None:
        """Whether `component` does its work; `detail` is a sentence for people, `state` is for programs.

        The keys of `state` that several components have: `lag` (records or positions), `partitions`, `role` (leader,
        standby, follower, member), `no_progress_since` (ISO 8601 or None) and `why` (a sentence or None).
        """
        self.components[component] = {"ready": ready, "detail": detail, **state}
        READY.labels(component).set(ready)

    def beat(self) -> None:
        """The event loop runs."""
        self._last_beat = time.monotonic()

    def serve(self, host: str, port: int) -> str:
        """Begin to answer, and return the address."""
        server = make_server(host, port, self._answer, server_class=BoundedServer, handler_class=QuietHandler)
        threading.Thread(target=server.serve_forever, daemon=True, name="health").start()
        return f"http://{host}:{server.server_port}"

    def _answer(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/metrics":
                metrics: Iterable[bytes] = make_wsgi_app()(environ, start)
                return metrics
            case "/livez":
                age = time.monotonic() - self._last_beat
                well = age < DEAD_SECONDS
                answer: dict[str, JsonValue] = {"event_loop_ran_seconds_ago": round(age, 1)}
            case "/readyz":
                components = {**self.components}  # copied at once: the event loop may add a component meanwhile
                well = bool(components) and all(state["ready"] for state in components.values())
                answer = {"ready": well, "components": {**components}}
            case _:
                start("404 Not Found", [("content-type", "text/plain; charset=utf-8")])
                return [b"expected /livez, /readyz or /metrics\n"]
        start("200 OK" if well else "503 Service Unavailable", [("content-type", "application/json")])
        return [json.dumps(answer, indent=2).encode() + b"\n"]
