"""The address of Postgres, checked before it is used: what asyncpg misreads, it reports with the password in it."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
from modelog.kafka_settings import is_server, load_certificate, tls_context

TLS_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
START = "start it with `make up`, or check the address in the environment"
ROOT = Path("~/.postgresql/root.crt")
EXPECTED = (
    "expected postgresql://user:password@host:port/database, found another text: "
    "write / ? # @ and : in the password as %2F %3F %23 %40 and %3A, or set it as {password}"
)


def check_url(url: str, password: str) -> None:
    """Raise ValueError with a sentence that has nothing of the URL in it; `password` is the variable of its password.

    The files of certificates that the URL names are read.
    """
    try:
        parts = urlsplit(url)
        query = {name: values[-1] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()}
    except ValueError:
        raise ValueError(EXPECTED.format(password=password)) from None
    hosts = parts.netloc.rpartition("@")[2].split(",")
    # A password with / ? # or @ in it would be read as the host, and printed by whoever cannot find that host.
    cut = "@" in parts.path or parts.fragment or (parts.netloc and "@" in parts.query and "@" not in parts.netloc)
    if (
        parts.scheme not in {"postgres", "postgresql"}
        or cut
        or parts.netloc.count("@") > 1
        or not all(map(is_server, hosts))
    ):
        raise ValueError(EXPECTED.format(password=password))
    _check_tls(query)


def _check_tls(query: Mapping[str, str]) -> None:
    mode, authorities = query.get("sslmode"), query.get("sslrootcert")
    if mode is not None and mode not in TLS_MODES:
        raise ValueError(f"expected an sslmode of {', '.join(TLS_MODES)}, found another text: correct it")
    if authorities is not None:
        tls_context(authorities, "sslrootcert")
    elif mode in ("verify-ca", "verify-full") and not (os.environ.get("PGSSLROOTCERT") or ROOT.expanduser().exists()):
        raise ValueError(f"expected sslrootcert, because sslmode is {mode}, found none: name the authorities' file")
    if (certificate := query.get("sslcert")) is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        load_certificate(context, certificate, query.get("sslkey"), query.get("sslpassword"), "sslcert and sslkey")


@dataclass(frozen=True)
class Place:
    """What of an address may be printed."""

    servers: str
    database: str


def login(url: str, password: str | None) -> dict[str, Any]:
    """Arguments of asyncpg: the address, and the password where the address has none."""
    parts = urlsplit(url)
    has_one = parts.password or "password" in parse_qs(parts.query)
    return {"dsn": url} if password is None or has_one else {"dsn": url, "password": password}


def place(url: str) -> Place:
    """Where this address leads."""
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return Place(
        parts.netloc.rpartition("@")[2] or query.get("host", "") or "localhost",
        unquote(parts.path.removeprefix("/")) or query.get("dbname", "") or query.get("database", ""),
    )


def refusal(error: BaseException, url: str) -> str | None:
    """A sentence about an error of Postgres at this address; None where the error is another."""
    at, reason = place(url), str(error) or type(error).__name__
    match error:
        case asyncpg.InvalidAuthorizationSpecificationError():
            return f"Postgres at {at.servers} refuses to log in ({reason}): check the user and the password."
        case asyncpg.InvalidCatalogNameError():
            return f"Postgres at {at.servers} has no database {at.database!r}: create it, or name another."
        case asyncpg.InvalidParameterValueError() | asyncpg.UndefinedTableError() | asyncpg.InvalidSchemaNameError():
            return f"The database {at.database!r} is not set up ({reason}): run `python -m operations setup`."
        case asyncpg.InsufficientPrivilegeError():
            return (
                f"Postgres at {at.servers} refuses something to this login ({reason}): name the database's owner by "
                "MODELOG_POSTGRES_OWNER_URL, and run `python -m operations setup`."
            )
        case ssl.SSLCertVerificationError():
            return (
                f"Postgres at {at.servers} has a certificate that is not accepted ({error.verify_message}): "
                "check sslrootcert and the host in the address."
            )
        case ValueError() if not isinstance(error, asyncpg.InterfaceError) or isinstance(
            error, asyncpg.ClientConfigurationError
        ):
            # The text may have the address in it.
            return (
                f"The address of Postgres at {at.servers} has a part that cannot be used: check what follows the `?`."
            )
        case asyncpg.PostgresError() | asyncpg.InterfaceError() | asyncpg.InternalClientError():
            return f"Postgres at {at.servers} fails: {reason}."
        case OSError():
            return f"Postgres does not answer at {at.servers} ({reason}): {START}."
    return None
