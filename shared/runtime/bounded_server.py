"""An HTTP server for probes whose threads and connections are bounded, whoever connects and whatever is sent."""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

MAX_CONNECTIONS = 16
"""Each has a thread. Another connection ends the oldest: a probe is answered, however many others hang."""
MAX_CONNECTION_SECONDS = 5.0
"""From the connection to the end of the answer, however slowly the other side sends or reads."""
MAX_ENDING_SECONDS = 1.0
"""For the thread of a connection that was ended to return."""


class BoundedServer(ThreadingMixIn, WSGIServer):
    """Answers each connection in a thread, at most MAX_CONNECTIONS of them, each for MAX_CONNECTION_SECONDS."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._slots = threading.Semaphore(MAX_CONNECTIONS)
        self._began: dict[socket.socket, float] = {}  # the oldest first; changed by the server's thread and by others

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            self._end(next(iter(self._began.copy()), None))
            if not self._slots.acquire(timeout=MAX_ENDING_SECONDS):
                return self.shutdown_request(request)
        self._began[request] = time.monotonic()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            del self._began[request]
            self._slots.release()

    def service_actions(self) -> None:
        """End what has taken too long; called at least every half second."""
        latest = time.monotonic() - MAX_CONNECTION_SECONDS
        for request, began in self._began.copy().items():
            if began < latest:
                self._end(request)

    def _end(self, request: socket.socket | None) -> None:
        with suppress(OSError):  # its thread may have closed it already
            if request is not None:
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that ended is no error of ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Probes are not logged."""
