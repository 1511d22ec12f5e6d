"""Settings: what cannot be used is a sentence, and no sentence has a secret in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.runtime.errors import Unusable
from shared.runtime.settings import Settings, settings, unknown_variables

SECRET = "S3cret"
URL = "postgresql://u:p@h:5432/d"
OTHERS = {"kafka_servers": "k:9092", "s3_endpoint": "http://s3", "s3_access_key": "key", "s3_secret_key": "secret"}


@pytest.mark.parametrize(
    "url",
    [
        "foo",
        "http://u:S3cret@h/d",
        "postgresql://u:S3cret/x@h:5432/d",
        "postgresql://u:S3cret?x@h:5432/d",
        "postgresql://u:S3cret#x@h:5432/d",
        "postgresql://u:S3cret@x@h:5432/d",
        "postgresql://u:S3cret@[::1/d",
        "postgresql://h:S3cret/d",
        "postgresql://u:S3cret@h:99999/d",
        "postgresql://u:p@h/d?S3cret",
    ],
)
def test_an_address_of_postgres_that_cannot_be_read_is_a_sentence_without_the_password(url: str) -> None:
    with pytest.raises(ValidationError) as found:
        Settings.model_validate(OTHERS | {"postgres_url": url})
    (problem,) = found.value.errors(include_url=False)
    assert "expected postgresql://user:password@host:port/database" in problem["msg"]
    assert "S3cret" not in problem["msg"]
    assert "S3cret" not in str(found.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:S3%2Fcret@h:5432/d",
        "postgresql://u:p@h1:5432,h2:5433/d?target_session_attrs=primary",
        "postgres:///d?host=/run/postgresql&user=a@b",
        "postgresql://u:p@[::1]:5432/d",
    ],
)
def test_every_address_that_the_client_reads_is_accepted(url: str) -> None:
    assert Settings.model_validate(OTHERS | {"postgres_url": url}).postgres_url.get_secret_value() == url


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("sslmode=S3cret", "expected an sslmode of disable, "),
        ("sslmode=verify-full&sslrootcert=/S3cret", "sslrootcert: expected the path of certificates in PEM"),
        ("sslmode=require&sslcert=/S3cret&sslkey=/S3cret", "sslcert and sslkey: expected the path of a certificate"),
    ],
)
def test_tls_of_postgres_that_cannot_work_is_a_sentence(query: str, sentence: str) -> None:
    with pytest.raises(ValidationError) as found:
        Settings.model_validate(OTHERS | {"postgres_url": f"{URL}?{query}"})
    assert sentence in str(found.value)
    assert SECRET not in str(found.value)


def test_verified_tls_of_postgres_needs_authorities(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ValidationError, match="expected sslrootcert, because sslmode is verify-full, found none"):
        Settings.model_validate(OTHERS | {"postgres_url": f"{URL}?sslmode=verify-full"})


def test_a_password_of_any_characters_is_used_where_the_address_has_none() -> None:
    given = OTHERS | {"postgres_url": "postgresql://u@h/d", "postgres_password": "p@/?#:%"}
    found = Settings.model_validate(given | {"postgres_owner_url": URL, "postgres_owner_password": "other"})
    assert found.postgres == {"dsn": "postgresql://u@h/d", "password": "p@/?#:%"}
    assert found.postgres_owner == {"dsn": URL}, "the password in the address is stronger"
    assert found.postgres_reader is None
    assert Settings.model_validate(given).postgres_owner == found.postgres


def test_snapshots_have_a_key_of_their_own_or_one_of_the_secret_key() -> None:
    given = OTHERS | {"postgres_url": URL}
    derived = Settings.model_validate(given).snapshot_key
    own = Settings.model_validate(given | {"snapshot_key": "a key of any length " * 9}).snapshot_key
    assert derived is not None
    assert own is not None
    assert len({derived, own, b"secret"}) == 3
    assert Settings.model_validate(given | {"s3_access_key": None, "s3_secret_key": None}).snapshot_key is None


def test_no_bucket_but_our_own_is_read_unless_it_is_named() -> None:
    given = OTHERS | {"postgres_url": URL}
    assert Settings.model_validate(given).foreign() == frozenset()
    assert Settings.model_validate(given | {"foreign_buckets": "a, b"}).foreign() == frozenset({"a", "b"})
    assert Settings.model_validate(given | {"foreign_buckets": "*"}).foreign() is None


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment with the needed settings, and no others."""
    for name in list(os.environ):
        if name.startswith("MODELOG_"):
            monkeypatch.delenv(name)
    for name, value in (OTHERS | {"postgres_url": URL}).items():
        monkeypatch.setenv(f"MODELOG_{name.upper()}", value)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def ends(capsys: pytest.CaptureFixture[str]) -> str:
    """What the process writes when it ends, because of its settings."""
    with pytest.raises(SystemExit) as end:
        settings.__wrapped__()
    assert end.value.code == 2
    return capsys.readouterr().err


def test_all_that_is_missing_is_a_single_sentence(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("MODELOG_POSTGRES_URL")
    environment.setenv("MODELOG_KAFKA_SERVERS", "")
    assert ends(capsys) == (
        "expected MODELOG_KAFKA_SERVERS and MODELOG_POSTGRES_URL in the environment, found none: "
        "set it, or run `make up`, which writes it to .modelog/env\n"
    )


@pytest.mark.parametrize(
    ("variables", "begin"),
    [
        ({"TOPIC_PARTITIONS": "S3cret"}, "MODELOG_TOPIC_PARTITIONS: expected a whole number, found another text"),
        ({"TOPIC_PARTITIONS": "0"}, "MODELOG_TOPIC_PARTITIONS: expected at least 1, found less"),
        ({"TOPIC_REPLICAS": "9" * 5000}, "MODELOG_TOPIC_REPLICAS: expected a whole number"),
        (
            {"TOPIC_PREFIX": "S3cret/"},
            "MODELOG_TOPIC_PREFIX: expected at most 200 letters, digits, dots, hyphens and _",
        ),
        ({"S3_BUCKET": "S3cret!"}, "MODELOG_S3_BUCKET: expected 3 to 63 letters, digits, dots and hyphens"),
        ({"HEALTH_PORT": "70000"}, "MODELOG_HEALTH_PORT: expected at most 65535, found more"),
        ({"GRACEFUL_SECONDS": "nan"}, "MODELOG_GRACEFUL_SECONDS: expected a"),
        ({"S3_ADDRESSING": "S3cret"}, "MODELOG_S3_ADDRESSING: expected auto, path or virtual, found another text"),
        ({"S3_ENDPOINT": ""}, "expected the store's address in the environment, found no MODELOG_S3_ENDPOINT"),
        ({"S3_SECRET_KEY": ""}, "MODELOG_S3_SECRET_KEY: expected a value, because MODELOG_S3_ACCESS_KEY is set"),
        (
            {"KAFKA_PASSWORD": "S3cret"},
            "MODELOG_KAFKA_PASSWORD is set and MODELOG_KAFKA_SECURITY_PROTOCOL is PLAINTEXT",
        ),
        ({"POSTGRES_URL": "S3cret"}, "MODELOG_POSTGRES_URL: expected postgresql://user:password@host:port/database"),
        ({"POSTGRES_OWNER_URL": "S3cret"}, "MODELOG_POSTGRES_OWNER_URL: expected postgresql://user:password@host"),
        (
            {"POSTGRES_OWNER_PASSWORD": "S3cret"},
            "MODELOG_POSTGRES_OWNER_PASSWORD is set and MODELOG_POSTGRES_OWNER_URL",
        ),
        ({"POSTGRES_PASSWORD": "S3cret", "POSTGRES_PASSWORD_FILE": "/S3cret"}, "expected MODELOG_POSTGRES_PASSWORD or"),
        ({"SNAPSHOT_KEY_FILE": "/S3cret"}, "expected MODELOG_SNAPSHOT_KEY_FILE to name a file with a secret"),
    ],
)
def test_a_wrong_setting_ends_the_process_with_a_sentence_without_secrets(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variables: Mapping[str, str], begin: str
) -> None:
    for name, value in variables.items():
        environment.setenv(f"MODELOG_{name}", value)
    written = ends(capsys)
    assert written.startswith(begin)
    assert written.count("\n") == 1
    assert SECRET not in written


def test_each_secret_may_be_in_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("POSTGRES_URL", "S3_SECRET_KEY", "SNAPSHOT_KEY", "POSTGRES_PASSWORD"):
        environment.delenv(f"MODELOG_{name}", raising=False)
        (tmp_path / name).write_text(("postgresql://u@h/d" if name.endswith("URL") else name) + "\n")
        environment.setenv(f"MODELOG_{name}_FILE", str(tmp_path / name))
    found = settings.__wrapped__()
    assert found.postgres == {"dsn": "postgresql://u@h/d", "password": "POSTGRES_PASSWORD"}
    assert found.s3.secret_key == "S3_SECRET_KEY"
    assert found.snapshot_secret is not None
    assert unknown_variables() == []


def test_a_variable_that_is_no_setting_is_named_with_the_setting_that_is_meant(environment: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_SERVER", "S3_SECRET_KEY_FILES", "ZZZ", "STACK_KAFKA", "CACHE"):
        environment.setenv(f"MODELOG_{name}", SECRET)
    assert unknown_variables() == [
        "MODELOG_KAFKA_SERVER is no setting: is MODELOG_KAFKA_SERVERS meant?",
        "MODELOG_S3_SECRET_KEY_FILES is no setting: is MODELOG_S3_SECRET_KEY_FILE meant?",
        "MODELOG_ZZZ is no setting and is not used",
    ]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "No such file or directory"),
        ("S3cret: yes", "no JSON"),
        ('{"required": {"auc": {"min": "S3cret"}}}', "required.auc.min: Extra inputs are not permitted"),
        ('["S3cret"]', "the whole: Input should be an object"),
    ],
)
def test_a_file_that_is_no_policy_is_a_sentence(tmp_path: Path, content: str | None, found: str) -> None:
    file = tmp_path / "policy.json"
    if content is not None:
        file.write_text(content)
    given = Settings.model_validate(OTHERS | {"postgres_url": URL, "policy": file})
    with pytest.raises(Unusable, match=r"^MODELOG_POLICY: expected the path of a policy in JSON, found ") as unusable:
        given.read_policy()
    assert found in str(unusable.value)
    assert SECRET not in str(unusable.value)


def test_settings_print_no_secret() -> None:
    given = OTHERS | {"postgres_url": f"postgresql://u:{SECRET}@h/d", "snapshot_key": SECRET, "s3_secret_key": SECRET}
    assert SECRET not in repr(
        Settings.model_validate(given | {"s3_session_token": SECRET, "postgres_password": SECRET})
    )
