"""Processes whose settings are wrong: a sentence, no traceback, and no secret in anything that they write."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from shared.runtime.settings import Settings
from stack.disposable import Sandbox
from stack.waiting import wait_until
from tests.e2e.process import ServiceProcess

SECRET = "S3cret-of-this-test"
SCRAM = {
    "MODELOG_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "MODELOG_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "MODELOG_KAFKA_USERNAME": "ada",
    "MODELOG_KAFKA_PASSWORD": SECRET,
}


def run(sandbox: Sandbox, *command: str, **variables: str) -> tuple[int, str]:
    """The exit status of a command with these settings in place of its own, and all that it writes."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=os.environ | sandbox.env | {f"MODELOG_{name}": value for name, value in variables.items()},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    written = done.stdout + done.stderr
    assert "Traceback" not in written
    assert SECRET not in written
    return done.returncode, written


def last(written: str) -> str:
    return written.splitlines()[-1]


def with_password(settings: Settings, password: str) -> str:
    url = urlsplit(settings.postgres_url.get_secret_value())
    return url._replace(netloc=f"{url.username}:{password}@{url.hostname}:{url.port}").geturl()


@contextmanager
def service(sandbox: Sandbox, log: Path, **variables: str) -> Iterator[ServiceProcess]:
    env = {**os.environ, **sandbox.env, **{f"MODELOG_{name}": value for name, value in variables.items()}}
    process = ServiceProcess([sys.executable, "-m", "services", "retirement"], env, log)
    try:
        wait_until(lambda: process.health, "the line of its start")
        yield process
        written = str(process.components()) + process.get("/metrics")
    finally:
        process.stop()
    written += log.read_text()
    password = urlsplit(sandbox.settings.postgres_url.get_secret_value()).password
    assert "Traceback" not in written
    assert [
        secret for secret in (SECRET, password, sandbox.settings.s3.secret_key) if secret and secret in written
    ] == []


def test_a_password_that_postgres_refuses_ends_the_service(sandbox: Sandbox, settings: Settings) -> None:
    status, written = run(sandbox, "services", "retirement", POSTGRES_URL=with_password(settings, SECRET))
    assert status == 1
    assert "refuses to log in (password authentication failed for user" in last(written)


def test_a_role_that_does_not_exist_ends_the_service(sandbox: Sandbox, settings: Settings) -> None:
    url = urlsplit(settings.postgres_url.get_secret_value())
    unknown = url._replace(netloc=f"nobody:{SECRET}@{url.hostname}:{url.port}").geturl()
    status, written = run(sandbox, "services", "retirement", POSTGRES_URL=unknown)
    assert status == 1
    assert "refuses to log in (" in last(written)


def test_a_database_that_does_not_exist_ends_the_service(sandbox: Sandbox, settings: Settings) -> None:
    url = urlsplit(settings.postgres_url.get_secret_value())._replace(path="/nothing").geturl()
    status, written = run(sandbox, "services", "retirement", POSTGRES_URL=url)
    assert status == 1
    assert "has no database 'nothing': create it, or name another" in last(written)


def test_a_parameter_that_postgres_does_not_know_ends_the_service(sandbox: Sandbox, settings: Settings) -> None:
    url = f"{settings.postgres_url.get_secret_value()}?connect_timeout=5"
    status, written = run(sandbox, "services", "retirement", POSTGRES_URL=url)
    assert status == 1
    assert 'unrecognized configuration parameter "connect_timeout"' in last(written)


def test_tls_that_postgres_does_not_have_is_a_reason_to_wait(
    sandbox: Sandbox, settings: Settings, tmp_path: Path
) -> None:
    url = f"{settings.postgres_url.get_secret_value()}?sslmode=require"
    with service(sandbox, tmp_path / "log", POSTGRES_URL=url) as process:
        wait_until(lambda: "rejected SSL upgrade" in str(process.components()), "the reason in /readyz")
        assert not process.is_ready()


def test_a_port_that_is_in_use_ends_the_service(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, written = run(sandbox, "services", "retirement", HEALTH_PORT=port)
    assert status == 2
    assert written.startswith(f"MODELOG_HEALTH_HOST and _PORT: expected 127.0.0.1:{port} to be free for ")
    assert written.count("\n") == 1


def test_a_policy_that_is_none_ends_the_service(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "policy").write_text(SECRET)
    status, written = run(sandbox, "services", "retirement", POLICY=str(tmp_path / "policy"))
    assert (status, written) == (
        2,
        "MODELOG_POLICY: expected the path of a policy in JSON, found no JSON: correct it.\n",
    )


def test_a_service_without_kafka_is_not_ready_and_names_the_reason(sandbox: Sandbox, tmp_path: Path) -> None:
    with service(sandbox, tmp_path / "log", KAFKA_SERVERS="127.0.0.1:1") as process:
        wait_until(lambda: "expected Kafka at 127.0.0.1:1, found" in str(process.components()), "the reason in /readyz")
        assert not process.is_ready()


def test_a_login_that_kafka_does_not_take_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    names = {name.removeprefix("MODELOG_"): value for name, value in SCRAM.items()}
    with service(sandbox, tmp_path / "log", **names) as process:
        wait_until(lambda: "MODELOG_KAFKA_" in str(process.components()), "the reason in /readyz")
        assert not process.is_ready()
    status, written = run(sandbox, "operations", "parked", **names)
    assert status == 1
    assert "MODELOG_KAFKA_" in written
    assert written.count("\n") == 1


def test_a_variable_that_is_misspelt_is_named_at_the_start(sandbox: Sandbox, tmp_path: Path) -> None:
    line = "MODELOG_KAFKA_SERVER is no setting: is MODELOG_KAFKA_SERVERS meant?"
    with service(sandbox, tmp_path / "log", KAFKA_SERVER="k:9092") as process:
        wait_until(lambda: process.mentions(line), "a warning")
    status, written = run(sandbox, "operations", "setup", KAFKA_SERVER="k:9092", POSTGRES_URL=SECRET)
    assert status == 2
    assert written.splitlines()[0] == line
    assert written.splitlines()[1].startswith("MODELOG_POSTGRES_URL: expected ")


@pytest.mark.parametrize("command", [("services", "retirement"), ("operations", "parked"), ("operations", "setup")])
def test_a_wrong_setting_has_the_status_of_a_wrong_argument(sandbox: Sandbox, command: tuple[str, ...]) -> None:
    status, written = run(sandbox, *command, POSTGRES_URL=SECRET)
    assert status == 2
    assert written.startswith("MODELOG_POSTGRES_URL: expected postgresql://user:password@host:port/database")
    assert written.count("\n") == 1


def test_the_services_have_help(sandbox: Sandbox) -> None:
    status, written = run(sandbox, "services", "--help", POSTGRES_URL=SECRET)
    assert status == 0
    assert written.startswith("usage: python -m services")
    assert "retirement" in written
    status, written = run(sandbox, "services", "nothing")
    assert status == 2
    assert "there is no service nothing" in written


async def test_a_password_that_is_changed_while_a_service_runs_is_waited_for(
    sandbox: Sandbox, settings: Settings, tmp_path: Path
) -> None:
    url, role = urlsplit(settings.postgres_url.get_secret_value()), f"t_{uuid4().hex}"
    login = url._replace(netloc=f"{role}@{url.hostname}:{url.port}").geturl()
    async with sandbox.owner() as owner:
        await owner.execute(f"create role {role} login password 'first' in role modelog_service")
        try:
            with service(sandbox, tmp_path / "log", POSTGRES_URL=login, POSTGRES_PASSWORD="first") as process:
                wait_until(process.is_ready, "readiness")
                await owner.execute(f"alter role {role} password '{SECRET}'")
                await owner.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", role)
                wait_until(lambda: "password authentication failed" in str(process.components()), "the reason")
                assert process.alive
                assert not process.is_ready()
                await owner.execute(f"alter role {role} password 'first'")
                wait_until(process.is_ready, "readiness")
        finally:
            await owner.execute(f"drop role {role}")
