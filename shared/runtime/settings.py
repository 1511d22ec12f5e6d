"""The settings of a process, from its environment: addresses, names and limits, each as `MODELOG_…`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, NoReturn, Self
from urllib.parse import parse_qs, urlsplit

from modelog.environment import variables
from modelog.kafka_settings import kafka_arguments
from modelog.policy import DEFAULT, Policy
from modelog.s3_settings import DEFAULT_BUCKET, S3Settings
from modelog.store import Store
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

PREFIX = "MODELOG_"
SNAPSHOTS = b"modelog snapshot"


class Settings(BaseModel):
    """Every setting of every service. `make up` writes them to `.modelog/env`, which is read when it is there."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)

    kafka_servers: str
    """`host:port`, several with commas."""
    kafka_security_protocol: str = "PLAINTEXT"
    """`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`."""
    kafka_sasl_mechanism: str | None = None
    """`PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`; needed where the protocol begins with `SASL`."""
    kafka_username: str | None = None
    """The user, for `PLAIN` and `SCRAM`."""
    kafka_password: SecretStr | None = None
    """The user's password."""
    kafka_ca_file: Path | None = None
    """Certificates in PEM of the authorities that are trusted; without it, those of the system."""
    kafka_certificate_file: Path | None = None
    """A client certificate in PEM, with its chain, where the brokers want it."""
    kafka_key_file: Path | None = None
    """The key of that certificate in PEM, where it is not in the same file."""
    kafka_key_password: SecretStr | None = None
    """The password of that key, if it has one."""
    kafka_token: SecretStr | None = None
    """A bearer token, for `OAUTHBEARER`."""
    kafka_token_file: Path | None = None
    """A file with the token instead, which is read again for each connection."""
    kafka_oauth_url: str | None = None
    """The token endpoint instead, which gives tokens for client credentials."""
    kafka_oauth_client_id: str | None = None
    """The client of those credentials."""
    kafka_oauth_client_secret: SecretStr | None = None
    """The client's secret."""
    kafka_oauth_scope: str | None = None
    """The scope that is asked for, if any."""
    topic_prefix: str = ""
    """Put before every topic and every consumer group, so that several registries share a Kafka."""
    topic_partitions: int = Field(default=12, ge=1)
    """Of a topic that is made; existing topics are left as they are."""
    topic_replicas: int = Field(default=1, ge=1)
    """Of a topic that is made."""

    postgres_url: SecretStr
    """`postgresql://user:password@host:port/database` of the services; `?sslmode=verify-full&sslrootcert=…` for TLS."""
    postgres_password: SecretStr | None = None
    """Its password, of any characters, where the URL has none."""
    postgres_role: str = "modelog_service"
    """The role the services act as, made by the migrations; it can append to the log and never change it."""
    postgres_owner_url: SecretStr | None = None
    """The address of the database's owner, for the operations that need it; without it, the address of the services."""
    postgres_owner_password: SecretStr | None = None
    """Its password, where that URL has none."""
    postgres_reader_url: SecretStr | None = None
    """The address of a login that may only read, which `operations setup` makes."""
    postgres_reader_password: SecretStr | None = None
    """Its password, where that URL has none."""

    s3_endpoint: str = ""
    """`https://host:port`; without it, S3 at AWS in the region that is named."""
    s3_access_key: SecretStr | None = None
    """The access key; without it, keys are looked for in the usual places of AWS: environment, file, role."""
    s3_secret_key: SecretStr | None = None
    """The secret key."""
    s3_session_token: SecretStr | None = None
    """The session token of temporary keys."""
    s3_bucket: str = DEFAULT_BUCKET
    """The bucket of the artifacts."""
    s3_region: str | None = None
    """The region that requests are signed for; without it, that of the host, `AWS_REGION`, or `us-east-1`."""
    s3_addressing: Literal["auto", "path", "virtual"] = "auto"
    """Whether the bucket is in the path or in the host of a request; `auto`: in the host at AWS alone."""
    s3_ca_file: Path | None = None
    """Certificates in PEM of the authorities that are trusted; without it, those of the system."""
    s3_public_endpoint: str | None = None
    """The endpoint as it is reached from outside."""
    snapshot_secret: SecretStr | None = Field(default=None, validation_alias="snapshot_key")
    """Authenticates the snapshots in Postgres; without it, a key is derived from the S3 secret key."""

    policy: Path | None = None
    """A JSON file with the policy that replaces the default policy."""
    foreign_buckets: str = "*"
    """The buckets whose objects a `model.trained` may name, with commas; `*` is every bucket that our keys can read."""
    health_host: str = "127.0.0.1"
    """Where `/livez`, `/readyz` and `/metrics` answer."""
    health_port: int = Field(default=0, ge=0, le=65535)
    """Their port; 0 is a free port, which the log line at the start names."""
    graceful_seconds: float = Field(default=30.0, ge=0, allow_inf_nan=False)
    """How long a stopping process may take to finish its batch."""

    @field_validator("postgres_url", "postgres_owner_url", "postgres_reader_url")
    @classmethod
    def _is_url(cls, url: SecretStr | None) -> SecretStr | None:
        """A password with / ? # or @ in it would be read as the host, and printed by whoever cannot find that host."""
        if url is None:
            return None
        try:
            parts = urlsplit(url.get_secret_value())
        except ValueError:
            parts = urlsplit("")
        cut = "@" in parts.path or parts.fragment or (parts.netloc and "@" in parts.query and "@" not in parts.netloc)
        if parts.scheme not in {"postgres", "postgresql"} or cut or parts.netloc.count("@") > 1:
            raise ValueError(
                "expected postgresql://user:password@host:port/database, found another text: "
                "write / ? # @ and : in the password as %2F %3F %23 %40 and %3A"
            )
        return url

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        for login in ("OWNER", "READER"):
            url, password = (getattr(self, f"postgres_{login.lower()}_{part}") for part in ("url", "password"))
            if password and not url:
                raise ValueError(f"MODELOG_POSTGRES_{login}_PASSWORD is set and MODELOG_POSTGRES_{login}_URL is not")
        assert self.kafka and self.s3  # noqa: PT018  or they raise what is wrong
        return self

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> Self:
        """The settings of these `MODELOG_…` variables; an empty variable is not set. Raise ValidationError."""
        given = {name.upper(): value for name, value in variables.items() if value}
        return cls.model_validate({k.removeprefix(PREFIX).lower(): v for k, v in given.items() if k.startswith(PREFIX)})

    @cached_property
    def kafka(self) -> dict[str, Any]:
        """Address and security of Kafka, as every client of aiokafka takes them."""
        return kafka_arguments(self._given("kafka_"))

    def _given(self, prefix: str) -> dict[str, str]:
        """The variables of the fields whose names begin so."""
        given = {name: value for name, value in self if name.startswith(prefix) and value is not None}
        return {f"{PREFIX}{name.upper()}": _plain(value) for name, value in given.items()}

    @property
    def postgres(self) -> dict[str, Any]:
        """The login of the services, as `asyncpg.connect` and `shared.runtime.postgres.connect` take it."""
        return _login(self.postgres_url, self.postgres_password)

    @property
    def postgres_owner(self) -> dict[str, Any]:
        """The login of the database's owner; without an own, that of the services."""
        url = self.postgres_owner_url
        return self.postgres if url is None else _login(url, self.postgres_owner_password)

    @property
    def postgres_reader(self) -> dict[str, Any] | None:
        """The login that may only read, if there is to be one."""
        url = self.postgres_reader_url
        return None if url is None else _login(url, self.postgres_reader_password)

    @property
    def snapshot_key(self) -> bytes | None:
        """The key that authenticates snapshots, of 32 bytes; None where no snapshot is to be written or read."""
        secret = self.snapshot_secret or self.s3_secret_key
        if secret is None:
            return None
        return blake2b(secret.get_secret_value().encode(), digest_size=32, person=SNAPSHOTS).digest()

    @cached_property
    def s3(self) -> S3Settings:
        """The object store that holds the bytes."""
        return S3Settings.from_variables(self._given("s3_"))

    def store(self) -> Store:
        """A client of the object store."""
        return Store(**asdict(self.s3))

    def foreign(self) -> frozenset[str] | None:
        """The names of those buckets, or None for any."""
        return None if self.foreign_buckets == "*" else frozenset(self.foreign_buckets.replace(",", " ").split())

    def read_policy(self) -> Policy:
        """The policy in force; end the process with a sentence when its file has none."""
        try:
            return DEFAULT if self.policy is None else Policy.model_validate_json(self.policy.read_bytes())
        except (OSError, ValueError) as error:
            sys.exit(f"MODELOG_POLICY: expected a policy in {self.policy}, found {error}")


@cache
def settings() -> Settings:
    """The settings of this process; end it with a sentence when something is missing."""
    try:
        return Settings.from_variables(variables())
    except ValidationError as error:
        _stop(error)
    except ValueError as error:
        sys.exit(f"{error}.")


def _stop(error: ValidationError) -> NoReturn:
    for problem in error.errors(include_url=False, include_input=False):
        names = "".join(f"{PREFIX}{part}: ".upper() for part in problem["loc"])
        print(names + problem["msg"].removeprefix("Value error, "), file=sys.stderr)
    sys.exit("Set what is named above, or run `make up`, which writes it to .modelog/env.")


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _login(url: SecretStr, password: SecretStr | None) -> dict[str, Any]:
    """The URL, and the password where the URL has none; the arguments of asyncpg are stronger than its URL."""
    parts = urlsplit(url.get_secret_value())
    login = {"dsn": url.get_secret_value()}
    if password is not None and not parts.password and "password" not in parse_qs(parts.query):
        login["password"] = password.get_secret_value()
    return login
