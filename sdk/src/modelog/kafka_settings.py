"""Kafka's address and security from `MODELOG_KAFKA_…` variables, as aiokafka takes them.

    producer = AIOKafkaProducer(**kafka_arguments(os.environ))

Sentences name variables and files, never values: a password may be in the wrong variable.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PREFIX = "MODELOG_KAFKA_"
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")

SERVER = re.compile(r"([^\s@/:\[\]]*|\[[^\s@/\[\]]+\])(:(?P<port>\d{1,5}))?")
"""A host, or an IPv6 address in brackets, with a port or without."""

TLS = ("CA_FILE", "CERTIFICATE_FILE", "KEY_FILE", "KEY_PASSWORD")
PASSWORD = ("USERNAME", "PASSWORD")
CREDENTIALS = ("OAUTH_URL", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET")
TOKENS = ("TOKEN", "TOKEN_FILE", *CREDENTIALS, "OAUTH_SCOPE")


def kafka_arguments(variables: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of aiokafka's clients that these variables set; nothing for what they leave out.

    Reads the files of certificates and keys. Raise ValueError with a sentence when a value is unknown, a variable is
    missing, a file cannot be used, or variables contradict each other.
    """
    given = {name.removeprefix(PREFIX): value for name, value in variables.items() if name.startswith(PREFIX) and value}
    protocol = _known(given, "SECURITY_PROTOCOL", PROTOCOLS) or "PLAINTEXT"
    arguments: dict[str, Any] = {}
    if servers := given.get("SERVERS"):
        arguments["bootstrap_servers"] = _addresses(servers)
    if protocol != "PLAINTEXT":
        arguments["security_protocol"] = protocol
    if protocol.endswith("SSL"):
        arguments["ssl_context"] = _tls(given)
    else:
        _refuse(given, TLS, f"SECURITY_PROTOCOL is {protocol}", "SSL or SASL_SSL")
    if protocol.startswith("SASL"):
        return arguments | _login(given, protocol)
    _refuse(given, ("SASL_MECHANISM", *PASSWORD, *TOKENS), f"SECURITY_PROTOCOL is {protocol}", "SASL_SSL")
    return arguments


def _addresses(servers: str) -> str:
    if not all(server.strip() and is_server(server.strip()) for server in servers.split(",")):
        raise ValueError(f"{PREFIX}SERVERS: expected host:port, several with commas, found another text: correct it")
    return servers


def is_server(text: str) -> bool:
    """Whether this is `host:port` with a port that exists; an empty host is one too."""
    found = SERVER.fullmatch(text)
    return found is not None and int(found["port"] or 1) in range(1, 65536)


def _known(given: Mapping[str, str], name: str, values: tuple[str, ...]) -> str | None:
    value = given.get(name)
    if value is None or value in values:
        return value
    raise ValueError(f"{PREFIX}{name}: expected any of {', '.join(values)}, found another text: correct it")


def _refuse(given: Mapping[str, str], names: Iterable[str], why: str, instead: str = "") -> None:
    """Raise for a variable that would be left unused: who sets it believes that it protects something."""
    for name in names:
        if name in given:
            other = f", or set {PREFIX}{why.partition(' ')[0]} to {instead}" if instead else ""
            raise ValueError(f"{PREFIX}{name} is set and {PREFIX}{why}, which does not use it: leave it out{other}")


def _needed(given: Mapping[str, str], name: str, why: str) -> str:
    if name not in given:
        raise ValueError(f"{PREFIX}{name}: expected a value, because {PREFIX}{why}, found none: set it")
    return given[name]


def _login(given: Mapping[str, str], protocol: str) -> dict[str, Any]:
    _needed(given, "SASL_MECHANISM", f"SECURITY_PROTOCOL is {protocol}")
    mechanism = _known(given, "SASL_MECHANISM", MECHANISMS)
    why = f"SASL_MECHANISM is {mechanism}"
    if mechanism == "OAUTHBEARER":
        _refuse(given, PASSWORD, why, "SCRAM-SHA-512 or PLAIN")
        return {"sasl_mechanism": mechanism, "sasl_oauth_token_provider": _tokens(given)}
    _refuse(given, TOKENS, why, "OAUTHBEARER")
    return {
        "sasl_mechanism": mechanism,
        "sasl_plain_username": _needed(given, "USERNAME", why),
        "sasl_plain_password": _needed(given, "PASSWORD", why),
    }


def _tokens(given: Mapping[str, str]) -> Any:
    sources = [name for name in ("TOKEN", "TOKEN_FILE", "OAUTH_URL") if name in given]
    if len(sources) != 1:
        found = " and ".join(PREFIX + name for name in sources) or "none"
        raise ValueError(
            f"expected {PREFIX}TOKEN, {PREFIX}TOKEN_FILE or {PREFIX}OAUTH_URL, because {PREFIX}SASL_MECHANISM is "
            f"OAUTHBEARER, found {found}: set one of them"
        )
    if sources != ["OAUTH_URL"]:
        _refuse(given, (*CREDENTIALS, "OAUTH_SCOPE"), f"{sources[0]} is set")
    from modelog._kafka.tokens import ClientCredentials, FileToken, FixedToken

    if "TOKEN" in given:
        return FixedToken(given["TOKEN"])
    if "TOKEN_FILE" in given:
        return FileToken(Path(given["TOKEN_FILE"]))
    url = urlsplit(given["OAUTH_URL"])
    if url.scheme not in ("https", "http") or not url.hostname or "@" in url.netloc:
        raise ValueError(f"{PREFIX}OAUTH_URL: expected https://host/path, found another text: correct it")
    client, secret = (_needed(given, name, "OAUTH_URL is set") for name in CREDENTIALS[1:])
    ca_file = given.get("CA_FILE")
    return ClientCredentials(given["OAUTH_URL"], client, secret, scope=given.get("OAUTH_SCOPE"), ca_file=ca_file)


def _tls(given: Mapping[str, str]) -> ssl.SSLContext:
    """The system's authorities, or those of CA_FILE alone; with a client certificate if there is one."""
    context = tls_context(given.get("CA_FILE"), f"{PREFIX}CA_FILE")
    certificate, key, password = (given.get(name) for name in TLS[1:])
    if certificate is None:
        _refuse(given, ("KEY_FILE", "KEY_PASSWORD"), "CERTIFICATE_FILE is not set")
        return context
    names = f"{PREFIX}CERTIFICATE_FILE" + (f" and {PREFIX}KEY_FILE" if key else "")
    load_certificate(context, certificate, key, password, names)
    return context


def tls_context(ca_file: str | None, variable: str) -> ssl.SSLContext:
    """A context that trusts the authorities of this file, or the system's; ValueError names `variable`."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        found = _reason(error)
        raise ValueError(f"{variable}: expected the path of certificates in PEM, found {found}: correct it") from None


def load_certificate(
    context: ssl.SSLContext, certificate: str, key: str | None, password: str | None, names: str
) -> None:
    """Use this client certificate, whose key is in a file of its own or in the same; ValueError begins with `names`."""
    try:
        context.load_cert_chain(certificate, key, password=lambda: password or "")  # without it, OpenSSL asks the user
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{names}: expected the path of a certificate and its key in PEM, found {_reason(error)}: "
            "correct it, or name the key's password if it has one"
        ) from None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "no PEM that fits" if error.reason is None else error.reason.lower().replace("_", " ")
    return getattr(error, "strerror", None) or type(error).__name__
