"""Kafka's security from variables: what aiokafka gets, and a sentence without secrets where they contradict."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme
from aiokafka.abc import AbstractTokenProvider
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from modelog.kafka_settings import kafka_arguments

SECRET = "S3cret-of-this-test"


def arguments(**variables: str) -> dict[str, object]:
    return kafka_arguments({f"MODELOG_KAFKA_{name}": value for name, value in variables.items()})


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Paths of an authority, a certificate and its key, and the key with a password."""
    folder, authority = tmp_path_factory.mktemp("pem"), trustme.CA()
    issued = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(folder / "ca"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "certificate"))
    issued.private_key_pem.write_to_path(str(folder / "key"))
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    encryption = BestAvailableEncryption(SECRET.encode())
    (folder / "locked").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(str(folder / "other"))
    return {path.name: str(path) for path in folder.iterdir()}


def test_without_security_only_the_address_is_set() -> None:
    assert arguments() == {}
    assert arguments(SERVERS="a:9092, [::1]:9093,c", SECURITY_PROTOCOL="PLAINTEXT", PASSWORD="") == {
        "bootstrap_servers": "a:9092, [::1]:9093,c"
    }


def test_a_password_over_tls(pem: Mapping[str, str]) -> None:
    found = arguments(
        SECURITY_PROTOCOL="SASL_SSL", SASL_MECHANISM="SCRAM-SHA-512", USERNAME="u", PASSWORD=" p,=", CA_FILE=pem["ca"]
    )
    context = found.pop("ssl_context")
    assert found == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "u",
        "sasl_plain_password": " p,=",
    }
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) == 1, "the authority that is named is trusted, and no other"


@pytest.mark.parametrize("key", [{"KEY_FILE": "key"}, {"KEY_FILE": "locked", "KEY_PASSWORD": ""}])
def test_a_client_certificate_is_used_with_its_key(pem: Mapping[str, str], key: Mapping[str, str]) -> None:
    given = {name: pem[value] if value else SECRET for name, value in key.items()}
    assert set(arguments(SECURITY_PROTOCOL="SSL", CERTIFICATE_FILE=pem["certificate"], **given)) == {
        "security_protocol",
        "ssl_context",
    }


@pytest.mark.parametrize(
    ("certificate", "key", "password"),
    [
        ("certificate", "locked", None),
        ("certificate", "locked", "wrong" + SECRET),
        ("certificate", "other", None),
        ("certificate", "missing", None),
        ("certificate", "ca", None),
        ("missing", "key", None),
    ],
)
def test_a_key_that_cannot_be_used_is_a_sentence(
    pem: Mapping[str, str], certificate: str, key: str, password: str | None
) -> None:
    variables = {"CERTIFICATE_FILE": pem.get(certificate, SECRET), "KEY_FILE": pem.get(key, SECRET)}
    variables |= {"KEY_PASSWORD": password} if password else {}
    with pytest.raises(ValueError, match=r"^MODELOG_KAFKA_CERTIFICATE_FILE and MODELOG_KAFKA_KEY_FILE: expected") as no:
        arguments(SECURITY_PROTOCOL="SSL", **variables)
    assert SECRET not in str(no.value)


@pytest.mark.parametrize("content", [None, b"", b"\xff\x00 no certificate"])
def test_a_ca_file_that_cannot_be_used_is_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / SECRET
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=r"^MODELOG_KAFKA_CA_FILE: expected the path of certificates in PEM") as no:
        arguments(SECURITY_PROTOCOL="SSL", CA_FILE=str(file))
    assert SECRET not in str(no.value)


TOKEN = {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "OAUTHBEARER"}
CLIENT = {"OAUTH_URL": "https://h/t", "OAUTH_CLIENT_ID": "c", "OAUTH_CLIENT_SECRET": SECRET}
LOGIN = {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "SCRAM-SHA-256", "USERNAME": "u", "PASSWORD": SECRET}


@pytest.mark.parametrize("source", [{"TOKEN": "t"}, {"TOKEN_FILE": "/t"}, CLIENT, {**CLIENT, "OAUTH_SCOPE": "s"}])
def test_a_token_comes_from_a_provider(source: Mapping[str, str]) -> None:
    found = arguments(**TOKEN, **source)
    assert isinstance(found["sasl_oauth_token_provider"], AbstractTokenProvider)
    assert "sasl_plain_password" not in found


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"SERVERS": f"u:{SECRET}@h:9092"}, "SERVERS"),
        ({"SERVERS": f"kafka://{SECRET}:9092"}, "SERVERS"),
        ({"SERVERS": f"h:{SECRET}"}, "SERVERS"),
        ({"SECURITY_PROTOCOL": SECRET}, "SECURITY_PROTOCOL"),
        ({"USERNAME": "u", "PASSWORD": SECRET}, "USERNAME"),
        ({"PASSWORD": SECRET}, "PASSWORD"),
        ({"SASL_MECHANISM": "PLAIN"}, "SASL_MECHANISM"),
        ({"TOKEN": SECRET}, "TOKEN"),
        ({"CA_FILE": "/ca"}, "CA_FILE"),
        ({**LOGIN, "SECURITY_PROTOCOL": "SASL_PLAINTEXT", "CA_FILE": "/ca"}, "CA_FILE"),
        ({"SECURITY_PROTOCOL": "SSL", "PASSWORD": SECRET}, "PASSWORD"),
        ({"SECURITY_PROTOCOL": "SSL", "KEY_FILE": SECRET}, "KEY_FILE"),
        ({"SECURITY_PROTOCOL": "SSL", "KEY_PASSWORD": SECRET}, "KEY_PASSWORD"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "USERNAME": "u", "PASSWORD": SECRET}, "SASL_MECHANISM"),
        ({**LOGIN, "SASL_MECHANISM": SECRET}, "SASL_MECHANISM"),
        ({**LOGIN, "PASSWORD": ""}, "PASSWORD"),
        ({**LOGIN, "USERNAME": ""}, "USERNAME"),
        ({**LOGIN, "TOKEN": SECRET}, "TOKEN"),
        ({**LOGIN, **CLIENT}, "OAUTH_URL"),
        ({**TOKEN, "TOKEN": "t", "PASSWORD": SECRET}, "PASSWORD"),
        (TOKEN, "TOKEN"),
        ({**TOKEN, "TOKEN": SECRET, "TOKEN_FILE": "/t"}, "TOKEN"),
        ({**TOKEN, "TOKEN": "t", "OAUTH_CLIENT_SECRET": SECRET}, "OAUTH_CLIENT_SECRET"),
        ({**TOKEN, **CLIENT, "OAUTH_CLIENT_ID": ""}, "OAUTH_CLIENT_ID"),
        ({**TOKEN, **CLIENT, "OAUTH_URL": f"https://u:{SECRET}@h/t"}, "OAUTH_URL"),
        ({**TOKEN, **CLIENT, "OAUTH_URL": f"file:///{SECRET}"}, "OAUTH_URL"),
    ],
)
def test_what_is_unknown_or_contradicts_is_a_sentence_without_secrets(variables: Mapping[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=rf"MODELOG_KAFKA_{named}\b") as found:
        arguments(**variables)
    assert SECRET not in str(found.value)
    assert "\n" not in str(found.value)
