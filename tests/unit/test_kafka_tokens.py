"""Tokens for Kafka: kept until shortly before they expire; no failure repeats a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest
from modelog._kafka.tokens import EARLY_SECONDS, ClientCredentials, FileToken, NoToken

SECRET = "S3cret of/this:test"


class TokenServer:
    """An OAuth 2 server that gives `t1`, `t2` …, or the answer that is set."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.status, self.answer, self.headers = 200, b"", dict[str, str]()
        self.seconds: object = 3600
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                outer.asked.append((self.headers["Authorization"], body))
                token = {"access_token": f"t{len(outer.asked)}", "expires_in": outer.seconds}
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(outer.answer or json.dumps(token).encode())

            do_GET = do_POST

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server() -> Iterator[TokenServer]:
    opened = TokenServer()
    yield opened
    opened.server.shutdown()
    opened.server.server_close()


async def test_a_token_is_kept_for_its_time(server: TokenServer) -> None:
    provider = ClientCredentials(server.url, "the client", SECRET, scope="kafka")
    assert [await provider.token() for _ in range(3)] == ["t1"] * 3
    ((login, body),) = server.asked
    assert login == "Basic dGhlK2NsaWVudDpTM2NyZXQrb2YlMkZ0aGlzJTNBdGVzdA=="
    assert body == {"grant_type": ["client_credentials"], "scope": ["kafka"]}


async def test_a_token_is_replaced_before_it_expires(server: TokenServer) -> None:
    now = 0.0
    provider = ClientCredentials(server.url, "c", SECRET, clock=lambda: now)
    assert await provider.token() == "t1"
    now += 3600 - EARLY_SECONDS - 1
    assert await provider.token() == "t1"
    now += 1
    assert await provider.token() == "t2"


@pytest.mark.parametrize("seconds", [None, 0, "0", -5])
async def test_a_token_without_a_time_is_not_kept(server: TokenServer, seconds: object) -> None:
    server.seconds = seconds
    provider = ClientCredentials(server.url, "c", SECRET)
    assert [await provider.token(), await provider.token()] == ["t1", "t2"]


@pytest.mark.parametrize(
    ("status", "answer", "found"),
    [
        (401, json.dumps({"error": "invalid_client", "error_description": SECRET}), "the status 401 (invalid_client)"),
        (400, json.dumps({"error": SECRET}), "the status 400"),
        (500, SECRET, "the status 500"),
        (200, SECRET, "an answer without a token"),
        (200, json.dumps({"access_token": ""}), "an answer without a token"),
        (200, json.dumps({"access_token": [SECRET]}), "an answer without a token"),
        (200, json.dumps({"access_token": "t", "expires_in": SECRET}), "an answer without a token"),
        (200, json.dumps([SECRET]), "an answer without a token"),
    ],
)
async def test_a_failure_is_a_sentence_without_secrets(
    server: TokenServer, status: int, answer: str, found: str
) -> None:
    server.status, server.answer = status, answer.encode()
    with pytest.raises(NoToken) as failed:
        await ClientCredentials(server.url, "c", SECRET).token()
    assert str(failed.value).endswith(f"the host of MODELOG_KAFKA_OAUTH_URL, found {found}")
    assert SECRET not in repr((failed.value, failed.value.__cause__))


async def test_the_secret_is_not_taken_to_where_a_server_redirects(server: TokenServer) -> None:
    server.status, server.headers = 302, {"Location": server.url}
    with pytest.raises(NoToken, match="found the status 302"):
        await ClientCredentials(server.url, "c", SECRET).token()
    assert len(server.asked) == 1


async def test_a_server_that_is_away_is_a_sentence() -> None:
    with pytest.raises(NoToken, match=r"^expected a token from 127.0.0.1, the host of .*found .*refused"):
        await ClientCredentials("http://127.0.0.1:1/token", "c", SECRET).token()


async def test_a_file_is_read_again_for_each_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    provider = FileToken(file)
    with pytest.raises(NoToken, match=r"the file of MODELOG_KAFKA_TOKEN_FILE, found No such file"):
        await provider.token()
    file.write_text("")
    with pytest.raises(NoToken, match="an empty file"):
        await provider.token()
    file.write_text("one\n")
    assert await provider.token() == "one"
    file.write_text("two")
    assert await provider.token() == "two"
