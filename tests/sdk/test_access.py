"""A broker with TLS, logins and access control: what it refuses comes as a sentence that names no password."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from modelog import ModelPromoted, NotConnected, NotPublished, PromotionRequested, Registry
from modelog.errors import AccessDenied

from tests.sdk.reading import requested, take

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A broker that lets in whom it knows; `clients` is allowed nothing."""
    secured = pytest.importorskip("stack.secured_kafka", reason="needs the stack", exc_type=ImportError)
    broker = secured.SecuredKafka(tmp_path_factory.mktemp("secured"), erase=True)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def variables(kafka: Any) -> dict[str, str]:
    login = pytest.importorskip("stack.secured_kafka").login
    return {"MODELOG_KAFKA_SERVERS": kafka.address, **login(kafka.home, "clients")}


def registry_of(variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Registry:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Registry()


async def both(registry: Registry, reading: type[Exception], writing: type[Exception]) -> list[str]:
    """What a publisher and a reader get."""
    async with registry:
        with pytest.raises(writing) as refused_writing:
            await registry.publish(requested(1))
        with pytest.raises(reading) as refused_reading:
            await take(registry.subscribe(ModelPromoted, PromotionRequested, group="deployer"), 1)
    return [str(refused_writing.value), str(refused_reading.value)]


async def test_a_wrong_password_is_denied(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    registry = registry_of({**variables, "MODELOG_KAFKA_PASSWORD": "hunter2"}, monkeypatch)
    for sentence in await both(registry, AccessDenied, AccessDenied):
        assert "to let in 'clients', found [Error 58] SaslAuthenticationFailed" in sentence
        assert "check MODELOG_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD" in sentence
        assert "hunter2" not in sentence + repr(registry)


async def test_another_mechanism_is_denied(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    registry = registry_of({**variables, "MODELOG_KAFKA_SASL_MECHANISM": "PLAIN"}, monkeypatch)
    for sentence in await both(registry, AccessDenied, AccessDenied):
        assert "to let in 'clients', found that it does not offer PLAIN" in sentence


async def test_a_topic_that_is_not_allowed_is_denied(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for sentence in await both(registry_of(variables, monkeypatch), AccessDenied, AccessDenied):
        assert "to let in 'clients', found [Error 29] TopicAuthorizationFailedError" in sentence
        assert "`python -m operations acls`" in sentence


async def test_an_unknown_authority_is_named(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    del variables["MODELOG_KAFKA_CA_FILE"]
    for sentence in await both(registry_of(variables, monkeypatch), NotConnected, NotPublished):
        assert "found a certificate that is not trusted" in sentence
        assert "MODELOG_KAFKA_CA_FILE" in sentence


async def test_to_a_client_without_tls_the_setting_is_named(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = {"MODELOG_KAFKA_SERVERS": variables["MODELOG_KAFKA_SERVERS"]}
    for sentence in await both(registry_of(plain, monkeypatch), NotConnected, NotPublished):
        assert "check the address, and MODELOG_KAFKA_SECURITY_PROTOCOL" in sentence
