"""The errors of a store, and which of them an answer of S3 is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from modelog.errors import TransientError
from modelog.untrusted import printable

MOVED, FORBIDDEN, TIMED_OUT, CONFLICT, TOO_MANY, NOT_IMPLEMENTED = 301, 403, 408, 409, 429, 501
PASSING_CODES = frozenset(
    {"BadDigest", "ExpiredToken", "IncompleteBody", "InvalidAccessKeyId", "InvalidToken", "RequestTimeTooSkewed"}
    | {"RequestTimeout", "TokenRefreshRequired", "XAmzContentSHA256Mismatch"}
)
"""Codes with a status of 4xx that say nothing about the object: of our clock, our keys, and interrupted requests."""

ARCHIVED = "InvalidObjectState"
ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")
"""The storage classes whose objects are restored before they are read, which takes hours."""


class Absent(LookupError):
    """The store has no object under this key."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


class Unavailable(TransientError):
    """The store did not do what it was asked to do: it is down, overloaded, or refuses access.

    `code` is the error code of S3, or "", and `status` the HTTP status of its answer, or 0 if there was none.
    """

    def __init__(self, sentence: str, code: str = "", status: int = 0) -> None:
        super().__init__(printable(sentence))
        self.code, self.status = code, status


class Denied(Exception):
    """The store answers our requests, but refuses this object for ever: it is archived, or our key may not read it.

    `code` is the error code of S3, or "", and `status` the HTTP status of its answer.
    """

    def __init__(self, sentence: str, code: str = "", status: int = 0) -> None:
        super().__init__(printable(sentence))
        self.code, self.status = code, status


class Damaged(ValueError):
    """The bytes in the store do not have the digest that they are stored under."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


def code_and_status(error: Exception) -> tuple[str, int]:
    """The error code of S3, or "", and the HTTP status, or 0, of an error of minio or urllib3."""
    from minio.error import InvalidResponseError, S3Error, ServerError

    # When a server answers with text/xml, minio puts its XML into the message and sets no code.
    in_text = re.search(r"<Code>(\w+)</Code>", str(error))
    code = getattr(error, "code", None) or (in_text[1] if in_text else "")
    if isinstance(error, S3Error):
        return code, error.response.status
    if isinstance(error, ServerError):
        return code, error.status_code
    return code, error._code if isinstance(error, InvalidResponseError) else 0


def is_lasting(code: str, status: int) -> bool:
    """Whether the same request would get the same answer for ever, if the store accepts our keys."""
    if code in PASSING_CODES or status in (TIMED_OUT, CONFLICT, TOO_MANY):
        return False
    return 400 <= status < 500 or status in (MOVED, NOT_IMPLEMENTED)


def is_archived(headers: Mapping[str, str]) -> bool:
    """Whether the bytes of an object with these headers cannot be read before somebody restores them."""
    return headers.get("x-amz-storage-class") in ARCHIVES and 'ongoing-request="false"' not in headers.get(
        "x-amz-restore", ""
    )


def denied(found: str, code: str, status: int) -> Denied:
    return Denied(
        f"{found}: let this key read it, restore it from the archive, or upload its bytes again", code, status
    )
