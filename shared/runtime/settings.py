"""The settings of a process, from its environment: addresses, names and limits, each as `MODELOG_…`."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from modelog.policy import DEFAULT, Policy
from modelog.store import Store
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every setting of every service. `make up` writes them to `.modelog/env`, which is read when it is there."""

    model_config = SettingsConfigDict(
        env_prefix="MODELOG_", env_file=".modelog/env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    kafka_servers: str
    """`host:port`, several with commas."""
    postgres_url: SecretStr
    """`postgresql://user:password@host:port/database`"""
    postgres_role: str = "modelog_service"
    """The role the services act as, made by the migrations; it can append to the log and never change it."""
    s3_endpoint: str
    s3_access_key: SecretStr
    s3_secret_key: SecretStr
    s3_bucket: str = "modelog"
    topic_prefix: str = ""
    """Put before every topic and every consumer group, so that several registries share a Kafka."""
    topic_partitions: int = Field(default=12, ge=1)
    topic_replicas: int = Field(default=1, ge=1)
    policy: Path | None = None
    """A JSON file with the policy that replaces the default policy."""
    foreign_buckets: str = "*"
    """The buckets whose objects a `model.trained` may name, with commas; `*` is every bucket that our keys can read."""
    health_host: str = "127.0.0.1"
    health_port: int = 0
    """Where `/livez`, `/readyz` and `/metrics` answer; 0 is a free port, which the log line at the start names."""
    graceful_seconds: float = 30.0
    """How long a stopping process may take to finish its batch."""

    @field_validator("postgres_url")
    @classmethod
    def _is_url(cls, url: SecretStr) -> SecretStr:
        """A password with / ? # or @ in it would be read as the host, and printed by whoever cannot find that host."""
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

    def store(self) -> Store:
        """The object store that holds the bytes."""
        return Store(
            self.s3_endpoint,
            self.s3_access_key.get_secret_value(),
            self.s3_secret_key.get_secret_value(),
            self.s3_bucket,
        )

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
        return Settings()  # type: ignore[call-arg]  # filled from the environment
    except ValidationError as error:
        _stop(error)


def _stop(error: ValidationError) -> NoReturn:
    for problem in error.errors(include_url=False):
        name = "MODELOG_" + "_".join(map(str, problem["loc"])).upper()
        print(f"{name}: {problem['msg']}", file=sys.stderr)
    sys.exit("Set what is named above, or run `make up`, which writes it to .modelog/env.")
