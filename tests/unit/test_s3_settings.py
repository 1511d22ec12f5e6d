"""The object store from variables: which host is asked, with which keys, signed for which region."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from modelog.s3_settings import S3Settings
from modelog.store import Store, Unavailable

SECRET = "S3cret-of-this-test"
KEYS = {"ACCESS_KEY": "key", "SECRET_KEY": SECRET}


@pytest.fixture(autouse=True)
def nothing_of_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No keys of the person who runs the tests, and no question to the network."""
    for name in ("REGION", "DEFAULT_REGION", "PROFILE", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


class Server:
    """Answers every request of S3 with 404, and a request for the keys of a container with the keys that are set."""

    def __init__(self) -> None:
        self.signed: list[tuple[str, str, str | None]] = []
        """Of each request: its access key, its region and its session token."""
        self.keys: dict[str, str] | None = None
        self.asked = 0
        self.region = ""
        """The region of the bucket, which AWS names to whoever signs for another."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = b""
                if self.path == "/keys":
                    outer.asked += 1
                    content = json.dumps(outer.keys or {}).encode()
                else:
                    found = re.search(r"Credential=([^/]+)/[^/]+/([^/]+)/", self.headers["Authorization"])
                    assert found
                    outer.signed.append((found[1], found[2], self.headers["x-amz-security-token"]))
                self.send_response(301 if outer.region else 200 if content else 404)
                if outer.region:
                    self.send_header("x-amz-bucket-region", outer.region)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_HEAD = do_GET

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    opened = Server()
    yield opened
    opened.server.shutdown()
    opened.server.server_close()


def variables(**given: str) -> dict[str, str]:
    return {f"MODELOG_S3_{name}": value for name, value in given.items()}


def ask(server: Server, **given: str) -> tuple[str, str, str | None]:
    """What a request was signed with."""
    store = Store.from_env(variables(ENDPOINT=server.url, BUCKET="bucket", **given))
    assert not store.client.bucket_exists("bucket")
    return server.signed[-1]


def test_a_request_is_signed_for_the_region_with_the_session_token(server: Server) -> None:
    found = ask(server, **KEYS, REGION="eu-central-1", SESSION_TOKEN="token")
    assert found == ("key", "eu-central-1", "token")


def test_without_a_region_that_of_aws_is_used_and_else_the_first_of_all(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(server, **KEYS) == ("key", "us-east-1", None)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert ask(server, **KEYS) == ("key", "eu-west-1", None)
    monkeypatch.setenv("AWS_REGION", "eu-west-2")
    assert ask(server, **KEYS) == ("key", "eu-west-2", None)


def test_without_keys_those_of_the_environment_are_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ACCESS_KEY_ID": "aws", "SECRET_ACCESS_KEY": SECRET, "SESSION_TOKEN": "token"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    assert ask(server) == ("aws", "us-east-1", "token")
    assert ask(server, **KEYS) == ("key", "us-east-1", None), "keys of our own are stronger"


def test_without_keys_those_of_the_credentials_file_are_used(server: Server, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = file\naws_secret_access_key = s\n")
    assert ask(server)[0] == "file"


def test_the_keys_of_a_role_are_asked_for_again_when_they_expire(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/keys")
    store = Store.from_env(variables(ENDPOINT=server.url, BUCKET="bucket"))

    def given(key: str, lasting: timedelta) -> None:
        expires = (datetime.now(UTC) + lasting).strftime("%Y-%m-%dT%H:%M:%SZ")
        server.keys = {"AccessKeyId": key, "SecretAccessKey": SECRET, "Token": "token", "Expiration": expires}

    given("first", timedelta(seconds=5))
    store.client.bucket_exists("bucket")
    given("second", timedelta(hours=1))
    for _ in range(3):
        store.client.bucket_exists("bucket")
    assert [key for key, _, _ in server.signed] == ["first", "second", "second", "second"]
    assert server.asked == 2


def test_a_store_whose_keys_are_nowhere_is_unavailable(server: Server, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(f"[default]\naws_access_key_id = %({SECRET}\naws_secret_access_key")
    store = Store.from_env(variables(ENDPOINT=server.url, BUCKET="bucket"))
    with pytest.raises(Unavailable, match=r"MODELOG_S3_ACCESS_KEY is not set, nor .* any in the environment") as found:
        store.head("key")
    assert SECRET not in str(found.value)
    assert server.signed == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"REGION": "eu-west-1"}, "https://bucket.s3.eu-west-1.amazonaws.com/key"),
        ({"REGION": "cn-north-1"}, "https://bucket.s3.cn-north-1.amazonaws.com.cn/key"),
        ({"ENDPOINT": "https://s3.eu-west-1.amazonaws.com"}, "https://bucket.s3.eu-west-1.amazonaws.com/key"),
        ({"ENDPOINT": "https://s3-eu-west-1.amazonaws.com"}, "https://bucket.s3.eu-west-1.amazonaws.com/key"),
        ({"REGION": "eu-west-1", "ADDRESSING": "path"}, "https://s3.eu-west-1.amazonaws.com/bucket/key"),
        ({"ENDPOINT": "https://s3.example:9000/"}, "https://s3.example:9000/bucket/key"),
        ({"ENDPOINT": "https://s3.example", "ADDRESSING": "virtual"}, "https://bucket.s3.example/key"),
        ({"ENDPOINT": "http://10.0.0.1:9000", "REGION": "eu-west-1"}, "http://10.0.0.1:9000/bucket/key"),
    ],
)
def test_the_address_of_an_object(given: Mapping[str, str], expected: str) -> None:
    store = Store.from_env(variables(**KEYS, BUCKET="bucket", **given))
    assert store.client.presigned_get_object("bucket", "key").partition("?")[0] == expected


def test_the_region_in_the_host_of_aws_is_that_of_the_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    for endpoint in ("https://s3.eu-west-1.amazonaws.com", "https://s3.dualstack.eu-west-1.amazonaws.com"):
        assert S3Settings(endpoint, "key", SECRET).signing_region == "eu-west-1"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"ENDPOINT": f"https://key:{SECRET}@h"}, "ENDPOINT"),
        ({"ENDPOINT": f"https://h/{SECRET}"}, "ENDPOINT"),
        ({"ENDPOINT": f"https://h:{SECRET}"}, "ENDPOINT"),
        ({"ENDPOINT": SECRET}, "ENDPOINT"),
        ({"PUBLIC_ENDPOINT": SECRET}, "PUBLIC_ENDPOINT"),
        ({"ACCESS_KEY": ""}, "ACCESS_KEY"),
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"ACCESS_KEY": "", "SECRET_KEY": "", "SESSION_TOKEN": SECRET}, "SESSION_TOKEN"),
        ({"ADDRESSING": SECRET}, "ADDRESSING"),
        ({"ADDRESSING": "virtual", "ENDPOINT": "http://127.0.0.1:9000"}, "ADDRESSING"),
        ({"REGION": f"{SECRET} eu"}, "REGION"),
        ({"REGION": "eu-west-1", "ENDPOINT": "https://s3.eu-west-2.amazonaws.com"}, "REGION"),
        ({"CA_FILE": f"/{SECRET}"}, "CA_FILE"),
        ({"CA_FILE": f"/{SECRET}", "ENDPOINT": "http://h"}, "CA_FILE"),
    ],
)
def test_what_cannot_be_used_is_a_sentence_without_secrets(given: Mapping[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=rf"MODELOG_S3_{named}\b") as found:
        Store.from_env(variables(**{**KEYS, "BUCKET": "bucket", "ENDPOINT": "https://h", **given}))
    assert SECRET not in str(found.value)


def test_the_settings_print_no_secret() -> None:
    assert SECRET not in repr(S3Settings("https://h", SECRET, SECRET, session_token=SECRET))


def test_a_bucket_of_another_region_is_named(server: Server) -> None:
    server.region = "eu-central-1"
    store = Store.from_env(variables(ENDPOINT=server.url, BUCKET="bucket", **KEYS))
    with pytest.raises(Unavailable, match=r"found PermanentRedirect \(Moved Permanently; use region eu-central-1\)"):
        store.head("key")
