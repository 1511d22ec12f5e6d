"""The settings of a process, from its environment: addresses, names and limits, each as `MODELOG_…`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from modelog.environment import variables
from modelog.kafka_settings import kafka_arguments
from modelog.policy import DEFAULT, Policy
from modelog.s3_settings import DEFAULT_BUCKET, S3Settings
from modelog.store import Store
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from shared.runtime.errors import Unusable
from shared.runtime.postgres_url import check_url, login
from shared.runtime.settings_sentences import PREFIX, check_prefix, listed, sentences, unknown
from shared.runtime.terminal import escaped

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
    topic_prefix: Annotated[str, AfterValidator(check_prefix)] = ""
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
    """`https://host:port`; needed unless `MODELOG_S3_REGION` is set, which is S3 at AWS then."""
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
    """The endpoint as it is reached from outside; nothing uses it yet."""
    snapshot_secret: SecretStr | None = Field(default=None, validation_alias="snapshot_key")
    """Authenticates the snapshots in Postgres; without it, a key is derived from the S3 secret key."""

    policy: Path | None = None
    """A JSON file with the policy that replaces the default policy."""
    foreign_buckets: str = ""
    """The buckets whose objects a `model.trained` may name, with commas: by default none, and with `*` every bucket."""
    health_host: str = "127.0.0.1"
    """Where `/livez`, `/readyz` and `/metrics` answer."""
    health_port: int = Field(default=0, ge=0, le=65535)
    """Their port; 0 is a free port, which the log line at the start names."""
    graceful_seconds: float = Field(default=30.0, ge=0, allow_inf_nan=False)
    """How long a stopping process may take to finish its batch."""

    @field_validator("postgres_url", "postgres_owner_url", "postgres_reader_url")
    @classmethod
    def _is_url(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if url is not None:
            assert info.field_name
            check_url(url.get_secret_value(), f"{PREFIX}{info.field_name.removesuffix('_url').upper()}_PASSWORD")
        return url

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        for name in ("OWNER", "READER"):
            url, password = (getattr(self, f"postgres_{name.lower()}_{part}") for part in ("url", "password"))
            if password and not url:
                raise ValueError(f"MODELOG_POSTGRES_{name}_PASSWORD is set and MODELOG_POSTGRES_{name}_URL is not")
        try:
            assert self.kafka and self.s3  # noqa: PT018  or they raise what is wrong
        except LookupError as error:
            raise ValueError(str(error)) from None
        return self

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> Self:
        """The settings of these `MODELOG_…` variables; an empty variable is not set. Raise ValidationError."""
        given = {name.upper(): value for name, value in variables.items() if value}
        return cls.model_validate({k.removeprefix(PREFIX).lower(): v for k, v in given.items() if k.startswith(PREFIX)})

    @classmethod
    def variable_names(cls) -> list[str]:
        """The names of the fields as variables have them, without `MODELOG_` and in lower case."""
        return [str(field.validation_alias or name) for name, field in cls.model_fields.items()]

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
        return login(_plain(self.postgres_url), _secret(self.postgres_password))

    @property
    def postgres_owner(self) -> dict[str, Any]:
        """The login of the database's owner; without an own, that of the services."""
        url = self.postgres_owner_url
        return self.postgres if url is None else login(_plain(url), _secret(self.postgres_owner_password))

    @property
    def postgres_reader(self) -> dict[str, Any] | None:
        """The login that may only read, if there is to be one."""
        url = self.postgres_reader_url
        return None if url is None else login(_plain(url), _secret(self.postgres_reader_password))

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
        """The policy in force; raise Unusable when its file has none."""
        try:
            return DEFAULT if self.policy is None else Policy.model_validate_json(self.policy.read_bytes())
        except OSError as error:
            found = error.strerror or type(error).__name__
        except ValidationError as error:
            found = listed(error)
        raise Unusable(f"MODELOG_POLICY: expected the path of a policy in JSON, found {found}: correct it")


@cache
def settings() -> Settings:
    """The settings of this process; end it with a sentence and status 2 when something is missing or wrong."""
    try:
        return Settings.from_variables(variables())
    except ValidationError as error:
        found = list(sentences(error))
    except ValueError as error:
        found = [str(error)]
    for sentence in found:
        print(escaped(sentence), file=sys.stderr)
    sys.exit(2)


def unknown_variables() -> list[str]:
    """A sentence for each variable `MODELOG_…` of this process that is no setting: a misspelt name is not used."""
    return unknown([name for name in os.environ if name.startswith(PREFIX)], Settings.variable_names())


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()
