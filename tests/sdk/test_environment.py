"""Where the variables of the SDK come from: the process, else `.modelog/env` of the checkout, and files for secrets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from modelog.environment import KEPT_IN_A_FILE, SECRETS, origin, variables, with_secrets

SERVERS = "MODELOG_KAFKA_SERVERS"


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with servers that run; the process is in a folder inside, without variables."""
    for name in [name for name in os.environ if name.startswith("MODELOG_")]:
        monkeypatch.delenv(name)
    inside = tmp_path / "notebooks" / "fraud"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    return wrote(tmp_path, f"{SERVERS}=127.0.0.1:1\nMODELOG_S3_SECRET_KEY=a=b=\nMODELOG_TOPIC_PREFIX=\n")


def wrote(folder: Path, text: str) -> Path:
    file = folder / ".modelog" / "env"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


def test_the_file_of_the_checkout_is_found_from_a_folder_inside() -> None:
    assert variables() == {SERVERS: "127.0.0.1:1", "MODELOG_S3_SECRET_KEY": "a=b="}


def test_the_nearest_file_is_read() -> None:
    wrote(Path.cwd(), f"{SERVERS}=127.0.0.1:2\n")
    assert variables() == {SERVERS: "127.0.0.1:2"}


def test_the_process_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELOG_S3_SECRET_KEY", "mine")
    assert variables() == {SERVERS: "127.0.0.1:1", "MODELOG_S3_SECRET_KEY": "mine"}


def test_with_servers_in_the_process_the_file_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVERS, "kafka:9092")
    assert variables() == {SERVERS: "kafka:9092"}


def test_nothing_is_exported() -> None:
    before = dict(os.environ)
    variables()
    assert dict(os.environ) == before


def test_without_a_file_and_without_variables_there_are_none(checkout: Path) -> None:
    checkout.unlink()
    assert variables() == {}


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owner here")
def test_the_file_of_another_user_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: stranger)
    assert variables() == {}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_what_is_no_file_is_not_read(checkout: Path) -> None:
    checkout.unlink()
    os.mkfifo(checkout)
    assert variables() == {}


@pytest.mark.parametrize(
    "line",
    ["MODELOG_A=x y=z", "export MODELOG_A=x y=z", "MODELOG_A='x y=z'", 'MODELOG_A="x y=z"', " MODELOG_A=x y=z\r"],
)
def test_a_line_is_read_as_shells_and_compose_write_it(checkout: Path, line: str) -> None:
    checkout.write_text(f"# a comment = nothing\n\nPATH=/bin\nno value\n{line}\n")
    assert variables() == {"MODELOG_A": "x y=z"}


def test_a_quote_inside_a_value_stays(checkout: Path) -> None:
    checkout.write_text("MODELOG_A=it's\nMODELOG_B='open\n")
    assert variables() == {"MODELOG_A": "it's", "MODELOG_B": "'open"}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(("content", "secret"), [("s3 cret\n", "s3 cret"), ("a\r\n", "a"), ("a\n\n", "a\n")])
def test_a_secret_is_read_from_its_file(tmp_path: Path, name: str, content: str, secret: str) -> None:
    (tmp_path / "secret").write_bytes(content.encode())
    assert with_secrets({f"{name}_FILE": str(tmp_path / "secret"), name: ""}) == {name: secret}


def test_the_file_of_a_token_is_read_later() -> None:
    assert with_secrets({"MODELOG_KAFKA_TOKEN_FILE": "/run/token"}) == {"MODELOG_KAFKA_TOKEN_FILE": "/run/token"}


@pytest.mark.parametrize("name", [*SECRETS, *KEPT_IN_A_FILE])
def test_a_secret_and_its_file_are_refused_without_the_secret(name: str) -> None:
    with pytest.raises(ValueError, match=f"expected {name} or {name}_FILE, found both") as refusal:
        with_secrets({name: "hunter2", f"{name}_FILE": "/run/hunter2"})
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("content", [None, b"", b"\n", b"hunter2\xff", b"hunter2" * 10_000])
def test_a_file_that_holds_no_secret_is_refused_without_its_content(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "hunter2"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match="MODELOG_S3_SECRET_KEY_FILE") as refusal:
        with_secrets({"MODELOG_S3_SECRET_KEY_FILE": str(file)})
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_servers_of_the_shell_that_are_not_those_of_the_checkout_are_named(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SERVERS, "127.0.0.1:9")
    assert origin("127.0.0.1:9") == (
        f"{SERVERS} in your shell is 127.0.0.1:9, {checkout} has 127.0.0.1:1: unset {SERVERS}"
    )


def test_servers_that_the_program_named_need_no_advice() -> None:
    assert origin("kafka:9092") == ""
