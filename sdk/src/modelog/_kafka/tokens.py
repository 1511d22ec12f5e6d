"""Bearer tokens for the mechanism OAUTHBEARER: fixed, from a file, or from an OAuth 2 server."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import ssl
import threading
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote_plus, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from aiokafka.abc import AbstractTokenProvider

from modelog.kafka_settings import tls_context
from modelog.untrusted import printable

ANSWER_TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 1024 * 1024
EARLY_SECONDS = 60.0
"""A token is replaced so long before it expires, but not before half of its time has passed."""


class NoToken(ConnectionError):
    """There is no token now: clients of Kafka take it as a failed connection, and try again."""


class FixedToken(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka is not typed
    """The same token always."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        return self._token


class FileToken(AbstractTokenProvider):  # type: ignore[misc]
    """The content of a file, read again for each connection: something beside the process renews it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        return await asyncio.to_thread(self._read)

    def _read(self) -> str:
        try:
            token = self._path.read_text("ascii").strip()
        except (OSError, ValueError) as error:
            found = getattr(error, "strerror", None) or "other bytes"
            raise NoToken(f"expected a token in the file of MODELOG_KAFKA_TOKEN_FILE, found {found}") from None
        if not token:
            raise NoToken("expected a token in the file of MODELOG_KAFKA_TOKEN_FILE, found an empty file")
        return token


class ClientCredentials(AbstractTokenProvider):  # type: ignore[misc]
    """Tokens by the client credentials grant (RFC 6749, 4.4), kept until shortly before they expire.

    Safe to share among clients, threads and event loops. Raise NoToken when the server gives none.
    """

    def __init__(
        self,
        url: str,
        client: str,
        secret: str,
        *,
        scope: str | None = None,
        ca_file: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url, self._host = url, urlsplit(url).hostname
        fields = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        self._body = urlencode(fields).encode()
        login = base64.b64encode(f"{quote_plus(client)}:{quote_plus(secret)}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}", "Accept": "application/json"}
        self._opener = build_opener(_NoRedirect, HTTPSHandler(context=_trusting(ca_file)))
        self._clock, self._lock = clock, threading.Lock()
        self._kept, self._renew_at = "", -math.inf

    async def token(self) -> str:
        return await asyncio.to_thread(self._current)

    def _current(self) -> str:
        with self._lock:
            if (asked_at := self._clock()) >= self._renew_at:
                self._kept, seconds = self._ask()
                self._renew_at = asked_at + max(seconds - EARLY_SECONDS, seconds / 2)
            return self._kept

    def _ask(self) -> tuple[str, float]:
        """A token, and the seconds that it is valid; 0 if the server does not say it."""
        try:
            request = Request(self._url, self._body, self._headers)
            with self._opener.open(request, timeout=ANSWER_TIMEOUT_SECONDS) as answer:
                found = json.loads(answer.read(MAX_ANSWER_BYTES))
            return _token(found), max(0.0, float(found.get("expires_in") or 0))
        except HTTPError as error:
            with error:
                reason = f"the status {error.code}{_code(error)}"
        except URLError as error:
            reason = printable(str(error.reason))
        except OSError as error:
            reason = printable(str(error)) or type(error).__name__
        except (ValueError, TypeError, AttributeError, LookupError, HTTPException):
            reason = "an answer without a token"
        raise NoToken(f"expected a token from {self._host}, the host of MODELOG_KAFKA_OAUTH_URL, found {reason}")


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would take the client's secret to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _trusting(ca_file: str | None) -> ssl.SSLContext:
    """The authorities of Kafka beside the system's: both servers are mostly of the same organisation."""
    context = tls_context(None, "")
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


def _token(found: Any) -> str:
    token = found["access_token"] if isinstance(found, dict) else None
    if not isinstance(token, str) or not token or not token.isascii():
        raise ValueError
    return token


def _code(answer: HTTPError) -> str:
    """The error code of OAuth, such as invalid_client; what else the server writes may repeat the request."""
    try:
        code = json.loads(answer.read(MAX_ANSWER_BYTES))["error"]
    except (OSError, ValueError, TypeError, LookupError):
        return ""
    return f" ({code})" if code in KNOWN_CODES else ""


KNOWN_CODES = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    }
)
