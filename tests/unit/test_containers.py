"""Tests on containers: images, settings and limits are those of compose.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stack.addresses import NEEDED
from stack.containers import S3, Kafka, Postgres
from tests.workers import pytest_configure

yaml = pytest.importorskip("yaml", reason="the parser comes with the tools for mutants, and not on every Python")
COMPOSE: Mapping[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "compose.yaml").read_text())["services"]
NO_ENGINE: Any = None
ADDRESSES = {
    "KAFKA_LISTENERS",
    "KAFKA_ADVERTISED_LISTENERS",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
    "KAFKA_INTER_BROKER_LISTENER_NAME",
}
MEMORY = {"KAFKA_HEAP_OPTS"}
"""Of the tests' Kafka as without Docker: less, because it has fewer topics and starts in each run."""


def test_a_run_on_containers_is_refused_where_the_shell_has_addresses_of_other_servers(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"MODELOG_STACK": "docker", **dict.fromkeys(NEEDED, "elsewhere")}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(pytest.UsageError, match="the shell has addresses of other servers: unset them"):
        pytest_configure(pytestconfig)


@pytest.mark.parametrize("server", [Kafka, Postgres, S3])
def test_image_and_limits_are_those_of_compose(server: type[Kafka | Postgres | S3]) -> None:
    expected = COMPOSE[server.name]
    assert server.image == expected["image"]
    assert (server.memory, server.max_processes) == (expected["mem_limit"], expected["pids_limit"])
    assert str(server.options.get("shm_size", "")) in expected.get("shm_size", "")


def test_kafka_has_every_setting_of_compose_that_is_no_address() -> None:
    expected = {name: value for name, value in COMPOSE["kafka"]["environment"].items() if name not in ADDRESSES}
    found = Kafka(NO_ENGINE, {}).environment()
    assert {name: found.get(name) for name in expected.keys() - MEMORY} == {
        name: expected[name] for name in expected.keys() - MEMORY
    }


def test_postgres_has_the_locale_and_the_settings_of_compose() -> None:
    assert (
        Postgres(NO_ENGINE, {}).environment()["POSTGRES_INITDB_ARGS"]
        == (COMPOSE["postgres"]["environment"]["POSTGRES_INITDB_ARGS"])
    )
    settings = [text for text in COMPOSE["postgres"]["command"] if text != "-c"]
    assert settings
    assert set(settings) <= set(Postgres.command)
