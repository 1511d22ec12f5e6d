"""The `.env` that compose reads: what is in it, and what `make up` keeps of an earlier installation."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from operations.compose import FILE
from operations.env import dotenv, new
from stack import StackError, compose, compose_settings
from stack.checkout import read_env, write_env

NEEDED = set(re.findall(r"\$\{(\w+):\?", FILE.read_text()))
CHOSEN = set(re.findall(r"\$\{(\w+):-", FILE.read_text()))
EARLIER = {
    "MODELOG_POSTGRES_OWNER_PASSWORD": "compose-postgres-secret",
    "MODELOG_POSTGRES_PASSWORD": "compose-postgres-modelog_app-secret",
    "MODELOG_POSTGRES_READER_PASSWORD": "compose-postgres-modelog_ask-secret",
    "MODELOG_S3_SECRET_KEY": "compose-s3-secret",
    "MODELOG_KAFKA_PORT": "compose-kafka-port",
}


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkout in which nothing was started yet."""
    monkeypatch.setattr(compose_settings, "FOLDER", tmp_path)
    monkeypatch.setattr(compose_settings, "FILE", tmp_path / ".env")
    monkeypatch.setenv("MODELOG_POSTGRES_PASSWORD", "of other servers")
    return tmp_path


def test_a_new_file_has_every_variable_that_compose_requires_and_no_other() -> None:
    variables = new()
    assert variables.keys() >= NEEDED
    assert variables.keys() <= NEEDED | CHOSEN


def test_the_passwords_of_two_files_differ() -> None:
    one, another = new(), new()
    secrets = {name for name in NEEDED if name != "MODELOG_S3_ACCESS_KEY"}
    assert len({env[name] for env in (one, another) for name in secrets}) == 2 * len(secrets)


def test_the_file_warns_of_being_overwritten() -> None:
    assert "Never write a new one over it" in dotenv(new())


def test_an_installation_of_earlier_goes_on_with_its_passwords_and_ports(folder: Path) -> None:
    for name, file in EARLIER.items():
        (folder / file).write_text(f"earlier-{name}")
    compose_settings.write_settings()
    written = (folder / ".env").read_text()
    for name in EARLIER:
        assert f'{name}="earlier-{name}"\n' in written
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


def test_a_file_of_somebody_is_never_replaced(folder: Path) -> None:
    (folder / ".env").write_text("")
    compose_settings.write_settings()
    assert (folder / ".env").read_text() == ""


def test_a_shell_chooses_the_name_of_the_project_and_the_ports_and_no_password(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "compose-postgres-secret").write_text("earlier")
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "second")
    monkeypatch.setenv("MODELOG_S3_PORT", "22003")
    compose_settings.write_settings()
    written = (folder / ".env").read_text()
    assert 'COMPOSE_PROJECT_NAME="second"\n' in written
    assert 'MODELOG_S3_PORT="22003"\n' in written
    assert "of other servers" not in written


def test_passwords_of_any_characters_are_in_the_addresses() -> None:
    odd = "@:/?#%&= é$"

    def container(port: str) -> dict[str, object]:
        return {"ports": [{"host_ip": "127.0.0.1", "published": port}]}

    found = compose.addresses(
        {
            **{name: container(port) for name, port in zip(compose.SERVERS, ("1", "2", "3"), strict=True)},
            "setup": {"environment": dict.fromkeys(NEEDED, odd)},
        }
    )
    assert found.kafka == "127.0.0.1:1"
    assert found.postgres_reader == "postgresql://modelog_ask:%40%3A%2F%3F%23%25%26%3D%20%C3%A9%24@127.0.0.1:2/modelog"
    assert (found.s3_endpoint, found.s3_secret_key) == ("http://127.0.0.1:3", odd)


def test_values_of_any_characters_come_back_from_the_file_of_addresses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("stack.checkout.ENV", tmp_path / "env")
    values = {"MODELOG_A": " a'b\"c$d`e\\ ", "MODELOG_B": "", "MODELOG_C": "postgresql://a:b@127.0.0.1:1/c"}
    write_env(values, tmp_path / "env")
    assert read_env() == values
    assert "MODELOG_C=postgresql://a:b@127.0.0.1:1/c\n" in (tmp_path / "env").read_text()


def test_a_missing_program_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="no program docker"):
        compose.up(servers_only=True)
