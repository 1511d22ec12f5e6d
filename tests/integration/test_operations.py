"""Commands for operators: help, and a sentence where something fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from operations.__main__ import COMMANDS, main
from shared.runtime.settings import Settings
from stack import Addresses
from tests.upgrade.databases import empty_database

UNREACHABLE = Addresses(
    "127.0.0.1:1", "postgresql://ada:secret@127.0.0.1:1/registry", "http://127.0.0.1:1", "key", "secret"
)


def operations(addresses: Addresses, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "operations", *arguments],
        env=os.environ | addresses.env,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


def given(settings: Settings, **other: str) -> Addresses:
    """The addresses of a registry on the real servers, some of them replaced."""
    store = settings.store()
    keys = (settings.s3.access_key, settings.s3.secret_key)
    named: dict[str, Any] = {"kafka": settings.kafka_servers, "s3_endpoint": settings.s3_endpoint}
    named |= {"s3_access_key": keys[0], "s3_secret_key": keys[1], "s3_bucket": store.bucket}
    named |= {"postgres": settings.postgres["dsn"], "postgres_owner": settings.postgres_owner["dsn"]}
    return Addresses(**{**named, "topic_prefix": settings.topic_prefix, **other})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_listed_and_has_help(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["operations", "--help"])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert f"  {command} " in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["operations", command, "--help"])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert capsys.readouterr().out.startswith(f"usage: python -m operations {command} ")


def test_an_unknown_command_is_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["operations", "set-up"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert capsys.readouterr().err.endswith("there is no command 'set-up': name any of " + ", ".join(COMMANDS) + "\n")


@pytest.mark.parametrize(
    ("command", "begin"),
    [("parked", "expected Kafka at 127.0.0.1:1, found "), ("rebuild", "Postgres does not answer at 127.0.0.1:1 (")],
)
def test_a_server_that_does_not_answer_is_a_sentence(command: str, begin: str) -> None:
    done = operations(UNREACHABLE, command)
    assert done.returncode == 1
    assert done.stderr.startswith(begin)
    assert done.stderr.count("\n") == 1


async def test_a_database_that_is_not_set_up_is_a_sentence(stack: Addresses, settings: Settings) -> None:
    async with empty_database(stack) as (url, _):
        done = operations(given(settings, postgres=url), "rebuild")
    assert done.returncode == 1
    assert done.stderr.endswith("): run `python -m operations setup`.\n")
    assert done.stderr.count("\n") == 1


def test_setup_makes_what_is_missing_and_nothing_the_second_time(settings: Settings) -> None:
    first, second = (operations(given(settings), "setup") for _ in range(2))
    assert "created topic " in first.stdout
    assert (first.returncode, second.returncode, second.stdout, second.stderr) == (0, 0, "", "")


def wrong_password(dsn: str) -> str:
    url = urlsplit(dsn)
    return url._replace(netloc=f"{url.username}:wrong@{url.hostname}:{url.port}").geturl()


def test_a_wrong_password_of_the_owner_is_a_sentence(settings: Settings) -> None:
    url = urlsplit(settings.postgres_owner["dsn"])
    done = operations(given(settings, postgres_owner=wrong_password(settings.postgres_owner["dsn"])), "setup")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Postgres at {url.hostname}:{url.port} refuses to log in (")
    assert done.stderr.count("\n") == 1


def test_a_login_of_the_services_with_another_password_is_a_sentence(settings: Settings) -> None:
    user = urlsplit(settings.postgres["dsn"]).username
    done = operations(given(settings, postgres=wrong_password(settings.postgres["dsn"])), "setup")
    assert done.returncode == 1
    assert f"Postgres has a user {user} with another password than MODELOG_POSTGRES_URL: correct" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_single_login_is_set_up_with_a_line_that_names_what_to_do(settings: Settings) -> None:
    owner = settings.postgres_owner["dsn"]
    done = operations(given(settings, postgres=owner, postgres_owner=""), "setup")
    assert done.returncode == 0
    assert f"the services log in as {urlsplit(owner).username}, who can change the log: give them" in done.stdout


def test_a_wrong_secret_key_is_a_sentence(settings: Settings) -> None:
    done = operations(given(settings, s3_secret_key="wrong"), "setup")
    assert done.returncode == 1
    assert done.stderr.startswith(f"expected the store at {settings.s3_endpoint} to make the bucket, found ")
    assert done.stderr.count("\n") == 1
