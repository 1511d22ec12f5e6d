"""The health server answers probes whatever else is connected, with a bounded number of threads."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from shared.runtime import bounded_server
from shared.runtime.bounded_server import MAX_CONNECTIONS
from shared.runtime.health import Health
from stack.waiting import wait_until
from tests.unit.test_health import get


@pytest.fixture
def address() -> str:
    return Health().serve("127.0.0.1", 0)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def send_half(address: str, opened: ExitStack) -> socket.socket:
    """A connection that has sent the first half of a request."""
    url = urlsplit(address)
    connection = opened.enter_context(socket.create_connection((url.hostname or "", url.port or 0), timeout=20))
    connection.sendall(b"GET /livez HTTP/1.1\r\nHost:")
    return connection


def ended(connection: socket.socket) -> bool:
    """Whether the server closes the connection before the socket's timeout."""
    try:
        while connection.recv(1000):
            pass
    except ConnectionError:
        pass
    return True


def test_three_hundred_half_requests_have_few_threads_and_a_probe_is_answered(address: str, opened: ExitStack) -> None:
    before = threading.active_count()
    connections = [send_half(address, opened) for _ in range(300)]
    assert get(f"{address}/livez")[0] == 200
    assert threading.active_count() <= before + MAX_CONNECTIONS
    assert all(ended(connection) for connection in connections[:-MAX_CONNECTIONS])


def test_a_request_that_never_ends_is_ended(
    address: str, opened: ExitStack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bounded_server, "MAX_CONNECTION_SECONDS", 0.1)
    before = threading.active_count()
    connection = send_half(address, opened)
    connection.sendall(b" drop by drop")
    assert ended(connection)
    wait_until(lambda: threading.active_count() == before, "no thread of a connection")
    assert capfd.readouterr().err == ""


def test_what_is_no_request_is_answered_and_closed(address: str, opened: ExitStack) -> None:
    connection = send_half(address, opened)
    connection.sendall(b"\x00\xff" * 40_000 + b"\r\n\r\n")
    assert ended(connection)
    assert get(f"{address}/metrics")[0] == 200
