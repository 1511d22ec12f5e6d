"""Keys of S3 where none are named: from the usual places of AWS, as its own tools look for them."""

from __future__ import annotations

import os
import threading
import time

from minio.credentials.credentials import Credentials
from minio.credentials.providers import AWSConfigProvider, EnvAWSProvider, IamAwsProvider, Provider
from minio.error import MinioException
from urllib3 import PoolManager, Retry, Timeout

KEPT_SECONDS = 60.0
"""Keys that do not say when they expire are looked for again after so long: their file may have been replaced."""
FAILED_SECONDS = 5.0
"""After a failure nobody is asked for so long: each request would wait for the answer that does not come."""
OF_A_ROLE = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


class NoKeys(MinioException):
    """No place has keys now. The sentence has nothing of what a place answered: that may have tokens in it."""


class UsualPlaces(Provider):
    """The environment (AWS_ACCESS_KEY_ID …), `~/.aws/credentials` (AWS_PROFILE), then the role of the machine.

    A role is that of a web identity (AWS_WEB_IDENTITY_TOKEN_FILE), of a container (ECS, EKS) or of an EC2 instance.
    Safe to use from several threads. Raises NoKeys.
    """

    def __init__(self, region: str) -> None:
        http = PoolManager(timeout=Timeout(connect=2, read=10), retries=Retry(total=1, backoff_factor=0.2))
        self._places: dict[str, Provider] = {
            "the environment": EnvAWSProvider(),
            "~/.aws/credentials": AWSConfigProvider(),
        }
        if any(map(os.environ.get, OF_A_ROLE)) or os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true":
            self._places["the role of the machine"] = IamAwsProvider(http_client=http, region=region)
        self._lock = threading.Lock()
        self._found: Credentials | None = None
        self._failed: NoKeys | None = None
        self._until = 0.0

    def retrieve(self) -> Credentials:
        """The keys of the first place that has some."""
        with self._lock:
            if time.monotonic() >= self._until or (self._found and self._found.is_expired()):
                self._look()
            if self._failed:
                raise self._failed
            assert self._found
            return self._found

    def _look(self) -> None:
        reasons = []
        for place, provider in self._places.items():
            try:
                self._found, self._failed = provider.retrieve(), None
                self._until = time.monotonic() + KEPT_SECONDS
                return
            except Exception as error:  # each raises what its parser and its client raise
                reasons.append(f"{place} ({type(error).__name__})")
        self._found, self._until = None, time.monotonic() + FAILED_SECONDS
        self._failed = NoKeys(f"no keys: MODELOG_S3_ACCESS_KEY is not set, nor are there any in {', '.join(reasons)}")
