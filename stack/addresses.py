"""The addresses of the three servers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlsplit

NEEDED = ("MODELOG_KAFKA_SERVERS", "MODELOG_POSTGRES_URL", "MODELOG_S3_ENDPOINT")
MASK = "****"


@dataclass(frozen=True)
class Addresses:
    """The addresses of Kafka, Postgres and S3, with the keys."""

    kafka: str
    postgres: str
    s3_endpoint: str
    s3_access_key: str
    s3_secret_key: str
    s3_bucket: str = "modelog"
    topic_prefix: str = ""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read them from MODELOG_* variables."""
        return cls(
            kafka=env["MODELOG_KAFKA_SERVERS"],
            postgres=env["MODELOG_POSTGRES_URL"],
            s3_endpoint=env["MODELOG_S3_ENDPOINT"],
            s3_access_key=env.get("MODELOG_S3_ACCESS_KEY", ""),
            s3_secret_key=env.get("MODELOG_S3_SECRET_KEY", ""),
            s3_bucket=env.get("MODELOG_S3_BUCKET", "modelog"),
            topic_prefix=env.get("MODELOG_TOPIC_PREFIX", ""),
        )

    @property
    def env(self) -> dict[str, str]:
        """The same as MODELOG_* variables, for processes."""
        return {
            "MODELOG_KAFKA_SERVERS": self.kafka,
            "MODELOG_POSTGRES_URL": self.postgres,
            "MODELOG_S3_ENDPOINT": self.s3_endpoint,
            "MODELOG_S3_ACCESS_KEY": self.s3_access_key,
            "MODELOG_S3_SECRET_KEY": self.s3_secret_key,
            "MODELOG_S3_BUCKET": self.s3_bucket,
            "MODELOG_TOPIC_PREFIX": self.topic_prefix,
        }

    @property
    def masked(self) -> Self:
        """The same, safe to print: password and secret key masked."""
        password = urlsplit(self.postgres).password
        url = self.postgres.replace(f":{password}@", f":{MASK}@") if password else self.postgres
        return replace(self, postgres=url, s3_secret_key=MASK)
