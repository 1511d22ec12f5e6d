"""A real HTTP proxy in front of the S3 of the tests: it counts requests, and answers some of them with errors."""

from __future__ import annotations

import http.client
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import urlsplit

HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}


@dataclass
class Proxy:
    """`errors` are answers of a status and a code of S3 by method and the end of a path."""

    endpoint: str
    requests: list[tuple[str, str]] = field(default_factory=list)
    errors: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    """More headers of the answers, by the end of a path."""
    most_at_once: int = 0

    @property
    def counted(self) -> Counter[str]:
        """The requests of each method."""
        return Counter(method for method, _ in self.requests)

    def error(self, method: str, path: str) -> tuple[int, str] | None:
        found = (answer for (of, end), answer in self.errors.items() if of == method and path.endswith(end))
        return next(found, None)

    def deny(self, end: str, code: str, status: int = 403) -> None:
        """Every GET and HEAD of a path that ends so is answered with this error."""
        self.errors |= {(method, end): (status, code) for method in ("GET", "HEAD")}


@contextmanager
def proxied(endpoint: str) -> Iterator[Proxy]:
    """A proxy in front of this endpoint, for the time of the block."""

    class Handler(_Handler):
        server_address = urlsplit(endpoint).netloc

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.proxy = proxy = Proxy(f"http://127.0.0.1:{server.server_port}")
    serving = Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy
    server_address: str
    lock, running = Lock(), 0

    def handle_one(self) -> None:
        proxy, path = self.proxy, self.path.partition("?")[0]
        with self.lock:
            proxy.requests.append((self.command, path))
            type(self).running += 1
            proxy.most_at_once = max(proxy.most_at_once, self.running)
        try:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if error := proxy.error(self.command, path):
                status, code = error
                xml = f"<Error><Code>{code}</Code></Error>".encode()
                self.answer(status, {"Content-Type": "application/xml"}, xml, len(xml))
                return
            connection = http.client.HTTPConnection(self.server_address, timeout=30)
            try:
                # With the Host that was signed.
                connection.request(self.command, self.path, body, dict(self.headers))
                response = connection.getresponse()
                content = response.read()
            finally:
                connection.close()
            headers = {name: value for name, value in response.getheaders() if name.lower() not in HOP}
            headers |= next((more for end, more in proxy.headers.items() if path.endswith(end)), {})
            self.answer(response.status, headers, content, int(response.getheader("Content-Length") or len(content)))
        finally:
            with self.lock:
                type(self).running -= 1

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_one

    def answer(self, status: int, headers: dict[str, str], content: bytes, size: int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
