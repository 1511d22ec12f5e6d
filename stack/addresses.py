"""The addresses of the three servers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import urlsplit

VARIABLES = {
    "kafka": "MODELOG_KAFKA_SERVERS",
    "postgres": "MODELOG_POSTGRES_URL",
    "postgres_owner": "MODELOG_POSTGRES_OWNER_URL",
    "postgres_reader": "MODELOG_POSTGRES_READER_URL",
    "s3_endpoint": "MODELOG_S3_ENDPOINT",
    "s3_access_key": "MODELOG_S3_ACCESS_KEY",
    "s3_secret_key": "MODELOG_S3_SECRET_KEY",
    "s3_bucket": "MODELOG_S3_BUCKET",
    "topic_prefix": "MODELOG_TOPIC_PREFIX",
}
NEEDED = tuple(VARIABLES[key] for key in ("kafka", "postgres", "s3_endpoint"))
LOGINS = ("postgres", "postgres_owner", "postgres_reader")
MASK = "****"


@dataclass(frozen=True)
class Addresses:
    """The addresses of Kafka, Postgres and S3, with the keys.

    `postgres` is the services' login, `postgres_owner` that of the database's owner, "" where the services log in as
    the owner; `postgres_reader` that of people who read, "" where there is none.
    """

    kafka: str
    postgres: str
    s3_endpoint: str
    s3_access_key: str = ""
    s3_secret_key: str = ""
    s3_bucket: str = "modelog"
    topic_prefix: str = ""
    postgres_owner: str = ""
    postgres_reader: str = ""
    kafka_security: Mapping[str, str] = field(default_factory=dict)
    """More MODELOG_KAFKA_* variables: how to log in to Kafka."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read them from MODELOG_* variables."""
        security = {name: env[name] for name in env if name.startswith("MODELOG_KAFKA_") and name not in NEEDED}
        return cls(**{key: env[name] for key, name in VARIABLES.items() if name in env}, kafka_security=security)

    @property
    def env(self) -> dict[str, str]:
        """The same as MODELOG_* variables, for processes; without logins that there are none of."""
        values = {name: getattr(self, key) for key, name in VARIABLES.items()}
        found = {name: values[name] for key, name in VARIABLES.items() if values[name] or key not in LOGINS}
        return found | dict(self.kafka_security)

    @property
    def logins(self) -> dict[str, str]:
        """The URLs of Postgres by their fields, "" where there is none."""
        return {key: getattr(self, key) for key in LOGINS}

    def with_logins(self, urls: Mapping[str, str]) -> Self:
        """The same with other URLs of Postgres."""
        return replace(
            self,
            postgres=urls["postgres"],
            postgres_owner=urls["postgres_owner"],
            postgres_reader=urls["postgres_reader"],
        )

    @property
    def owner(self) -> str:
        """The URL of the database's owner."""
        return self.postgres_owner or self.postgres

    @property
    def masked(self) -> Self:
        """The same, safe to print: passwords and secret key masked, and how to log in to Kafka left out."""
        masked = self.with_logins({key: _masked(url) for key, url in self.logins.items()})
        return replace(masked, s3_secret_key=MASK, kafka_security={})


def _masked(url: str) -> str:
    password = urlsplit(url).password
    return url.replace(f":{password}@", f":{MASK}@") if password else url
