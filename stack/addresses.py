"""The addresses of the three servers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
NEEDED = tuple(VARIABLES[field] for field in ("kafka", "postgres", "s3_endpoint"))
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

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read them from MODELOG_* variables."""
        return cls(**{field: env[name] for field, name in VARIABLES.items() if name in env})

    @property
    def env(self) -> dict[str, str]:
        """The same as MODELOG_* variables, for processes; without logins that there are none of."""
        values = {name: getattr(self, field) for field, name in VARIABLES.items()}
        return {name: values[name] for field, name in VARIABLES.items() if values[name] or field not in LOGINS}

    @property
    def logins(self) -> dict[str, str]:
        """The URLs of Postgres by their fields, "" where there is none."""
        return {field: getattr(self, field) for field in LOGINS}

    @property
    def owner(self) -> str:
        """The URL of the database's owner."""
        return self.postgres_owner or self.postgres

    @property
    def masked(self) -> Self:
        """The same, safe to print: passwords and secret key masked."""
        return replace(self, **{name: _masked(url) for name, url in self.logins.items()}, s3_secret_key=MASK)


def _masked(url: str) -> str:
    password = urlsplit(url).password
    return url.replace(f":{password}@", f":{MASK}@") if password else url
