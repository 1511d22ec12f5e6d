"""The address, the keys and the region of an object store, from `MODELOG_S3_…` variables, and its client."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import urlsplit

from modelog.kafka_settings import tls_context

if TYPE_CHECKING:
    from minio import Minio

PREFIX = "MODELOG_S3_"
Addressing = Literal["auto", "path", "virtual"]

DEFAULT_BUCKET = "modelog"
DEFAULT_REGION = "us-east-1"
BUCKET = re.compile(r"[A-Za-z\d][\w.:-]{1,61}[A-Za-z\d]", re.ASCII)
REGION = re.compile(r"[A-Za-z\d]([A-Za-z\d-]{0,61}[A-Za-z\d])?")
REGION_OF_AWS = re.compile(r"(?:^|\.)s3[.-](?:dualstack\.)?([a-z]{2,4}(?:-[a-z]+)+-\d+)\.amazonaws\.com(?:\.cn)?$")
"""The region in a host of AWS, such as s3.eu-central-1.amazonaws.com."""
OLD_HOST = re.compile(r"^https?://s3-(?=[a-z]+-[a-z]+-\d+\.amazonaws\.com$)")
"""s3-eu-west-1.amazonaws.com, which the client does not understand, is s3.eu-west-1.amazonaws.com."""


@dataclass(frozen=True)
class S3Settings:
    """Where a store is and how it is asked. Raises ValueError with a sentence, which names variables and no value.

    Without an access key the usual places of AWS are asked for keys, see `modelog._s3.credentials`.
    """

    endpoint: str = ""
    """`https://host:port`; left out where a region is named, it is that of AWS."""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    bucket: str = DEFAULT_BUCKET
    region: str | None = None
    """Without it: that in the host of AWS, AWS_REGION, AWS_DEFAULT_REGION, or us-east-1."""
    session_token: str | None = field(default=None, repr=False)
    addressing: Addressing = "auto"
    """Whether the bucket is in the path of a request or in its host; `auto` is the host at AWS, the path elsewhere."""
    ca_file: str | None = None
    """Certificates in PEM of the authorities that are trusted; without it, those of the system."""
    public_endpoint: str | None = None
    """The endpoint as it is reached from outside, where that differs."""

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> S3Settings:
        """The settings of these `MODELOG_S3_…` variables, of which an empty one is not set.

        Raise LookupError when the endpoint or the bucket is not named.
        """
        given = {name: variables[PREFIX + name.upper()] for name in FIELDS if variables.get(PREFIX + name.upper())}
        needed = {"ENDPOINT": "endpoint" in given or "region" in given, "BUCKET": "bucket" in given}
        if missing := [PREFIX + name for name, there in needed.items() if not there]:
            raise LookupError(f"expected the store's address in the environment, found no {', '.join(missing)}: set it")
        return cls(**given)  # type: ignore[arg-type]  # which checks them

    def __post_init__(self) -> None:
        if self.region and not REGION.fullmatch(self.region):
            raise ValueError(f"{PREFIX}REGION: expected a region such as eu-central-1, found another text: correct it")
        if not self.endpoint and self.region:
            suffix = ".cn" if self.region.startswith("cn-") else ""
            object.__setattr__(self, "endpoint", f"https://s3.{self.region}.amazonaws.com{suffix}")
        object.__setattr__(self, "endpoint", OLD_HOST.sub("https://s3.", self.endpoint))
        for name in ("endpoint", "public_endpoint"):
            _check_endpoint(getattr(self, name), f"{PREFIX}{name.upper()}")
        if bool(self.access_key) != bool(self.secret_key):
            there, missing = ("ACCESS_KEY", "SECRET_KEY") if self.access_key else ("SECRET_KEY", "ACCESS_KEY")
            raise ValueError(f"{PREFIX}{missing}: expected a value, because {PREFIX}{there} is set, found none: set it")
        if self.session_token and not self.access_key:
            raise ValueError(f"{PREFIX}ACCESS_KEY: expected a value, because {PREFIX}SESSION_TOKEN is set, found none")
        if self.addressing not in get_args(Addressing):
            raise ValueError(f"{PREFIX}ADDRESSING: expected auto, path or virtual, found another text: correct it")
        if self.addressing == "virtual" and _is_address(self.host):
            raise ValueError(
                f"{PREFIX}ADDRESSING is virtual and {PREFIX}ENDPOINT has no name: set it to path, or name it"
            )
        if self.region and self._region_in_host not in (None, self.region):
            raise ValueError(f"{PREFIX}REGION and {PREFIX}ENDPOINT name different regions: correct either of them")
        if not BUCKET.fullmatch(self.bucket):
            raise ValueError(f"{PREFIX}BUCKET: expected 3 to 63 letters, digits, dots and hyphens, found another text")
        if self.ca_file:
            if not self._is_secure:
                raise ValueError(
                    f"{PREFIX}CA_FILE is set and {PREFIX}ENDPOINT begins with http, which does not use it: "
                    "leave it out, or begin the endpoint with https"
                )
            tls_context(self.ca_file, f"{PREFIX}CA_FILE")

    @property
    def host(self) -> str:
        """The host of the endpoint, without the port."""
        return urlsplit(self.endpoint).hostname or ""

    @property
    def signing_region(self) -> str:
        """The region that requests are signed for."""
        named = self.region or self._region_in_host
        return named or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION

    @property
    def _is_secure(self) -> bool:
        return urlsplit(self.endpoint).scheme == "https"

    @property
    def _region_in_host(self) -> str | None:
        found = REGION_OF_AWS.search(self.host)
        return found and found[1]

    def client(self, connections: int) -> Minio:
        """A client that keeps so many connections open; nothing is sent before it is used.

        Raise ImportError if minio is not installed.
        """
        try:
            from minio import Minio
            from urllib3 import PoolManager, Retry, Timeout
        except ImportError as error:
            raise ImportError("expected the S3 client minio, found none: pip install 'modelog[s3]'") from error
        from modelog._s3.credentials import UsualPlaces

        client = Minio(
            urlsplit(self.endpoint).netloc,
            self.access_key or None,
            self.secret_key or None,
            self.session_token,
            secure=self._is_secure,
            region=self.signing_region,
            credentials=None if self.access_key else UsualPlaces(self.signing_region),
            http_client=PoolManager(
                maxsize=connections,
                timeout=Timeout(connect=5, read=60),
                retries=Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
                ssl_context=tls_context(self.ca_file, f"{PREFIX}CA_FILE") if self._is_secure else None,
            ),
        )
        if self.addressing == "virtual":
            client.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
        elif self.addressing == "path":
            client.disable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
        return client


FIELDS = tuple(S3Settings.__dataclass_fields__)


def _check_endpoint(endpoint: str | None, variable: str) -> None:
    if endpoint is None:
        return
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    else:
        good = good and "@" not in parts.netloc and parts.path in ("", "/") and not parts.query and not parts.fragment
    if not good:
        raise ValueError(f"{variable}: expected an endpoint like http://host:port, found another text: correct it")


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return host == "localhost"
