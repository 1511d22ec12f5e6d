"""The addresses of the three servers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import urlsplit

VARIABLES = {
    "kafka": "MODELOG_KAFKA_SERVERS",
    "postgres": "MODELOG_POSTGRES_URL",
    "s3_endpoint": "MODELOG_S3_ENDPOINT",
    "s3_access_key": "MODELOG_S3_ACCESS_KEY",
    "s3_secret_key": "MODELOG_S3_SECRET_KEY",
    "s3_bucket": "MODELOG_S3_BUCKET",
    "topic_prefix": "MODELOG_TOPIC_PREFIX",
}
NEEDED = tuple(VARIABLES.values())[:3]
MASK = "****"


@dataclass(frozen=True)
class Addresses:
    """The addresses of Kafka, Postgres and S3, with the keys."""

    kafka: str
    postgres: str
    s3_endpoint: str
    s3_access_key: str = ""
    s3_secret_key: str = ""
    s3_bucket: str = "modelog"
    topic_prefix: str = ""
    kafka_security: Mapping[str, str] = field(default_factory=dict)
    """More MODELOG_KAFKA_* variables: how to log in to Kafka."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read them from MODELOG_* variables."""
        security = {name: env[name] for name in env if name.startswith("MODELOG_KAFKA_") and name not in NEEDED}
        return cls(**{key: env[name] for key, name in VARIABLES.items() if name in env}, kafka_security=security)

    @property
    def env(self) -> dict[str, str]:
        """The same as MODELOG_* variables, for processes."""
        return {name: getattr(self, key) for key, name in VARIABLES.items()} | dict(self.kafka_security)

    @property
    def masked(self) -> Self:
        """The same, safe to print: password and secret key masked, and how to log in to Kafka left out."""
        password = urlsplit(self.postgres).password
        url = self.postgres.replace(f":{password}@", f":{MASK}@") if password else self.postgres
        return replace(self, postgres=url, s3_secret_key=MASK, kafka_security={})
