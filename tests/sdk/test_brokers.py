"""What is wrong with Kafka's address, its login or its topics comes as a sentence, for a publisher and for a reader."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import create_conn
from aiokafka.errors import SaslAuthenticationFailed, TopicAuthorizationFailedError
from aiokafka.protocol.metadata import MetadataRequest
from modelog import ModelPromoted, NotConnected, NotPublished, PromotionRequested, Registry, SyncRegistry
from modelog._kafka.brokers import denied, missing_sentence
from modelog.errors import MissingTopic
from modelog.store import Store

from tests.sdk.reading import LIMIT_SECONDS, requested, take

TLS = {"security_protocol": "SSL", "ssl_context": ssl.create_default_context()}


async def publish(registry: Registry) -> None:
    await registry.publish(requested(1))


async def subscribe(registry: Registry) -> None:
    await take(registry.subscribe(ModelPromoted, group="deployer"), 1)


async def read(registry: Registry) -> None:
    await take(registry.subscribe(ModelPromoted, group=None, until="now"), 1)


async def serving(registry: Registry) -> None:
    await registry.serving("fraud")


ways = pytest.mark.parametrize(
    ("way", "error"),
    [(publish, NotPublished), (subscribe, NotConnected), (read, NotConnected), (serving, NotConnected)],
)
Way = Callable[[Registry], Awaitable[None]]


@pytest.fixture
async def silent() -> AsyncIterator[str]:
    """A server that takes connections and answers nothing."""
    ends = asyncio.Event()

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ends.wait()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield f"{host}:{port}"
    ends.set()
    server.close()


@pytest.fixture
async def hasty() -> AsyncIterator[str]:
    """A server that closes connections, as a broker does that wants TLS."""

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield f"{host}:{port}"
    server.close()


@ways
async def test_a_refused_connection_is_named_with_the_address(way: Way, error: type[Exception]) -> None:
    async with Registry("127.0.0.1:1") as registry:
        with pytest.raises(error, match=r"expected Kafka at 127\.0\.0\.1:1, found that the connection is refused"):
            await way(registry)


async def test_a_host_that_is_not_there_is_named() -> None:
    async with Registry("kafka.invalid:9092") as registry:
        with pytest.raises(NotConnected, match=r"expected Kafka at kafka\.invalid:9092, found no host of that name"):
            await read(registry)


async def test_a_server_that_does_not_answer_is_named(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelog._kafka.brokers.CONNECT_SECONDS", 0.2)
    async with Registry(silent) as registry:
        with pytest.raises(NotConnected, match="found no answer in time"):
            await read(registry)


@pytest.mark.parametrize("kafka", [{}, TLS])
async def test_a_server_that_closes_the_connection_may_want_tls_or_a_login(hasty: str, kafka: dict[str, Any]) -> None:
    async with Registry(hasty, kafka=kafka) as registry:
        with pytest.raises(NotConnected, match=r"check .*MODELOG_KAFKA_SECURITY_PROTOCOL"):
            await read(registry)


async def test_each_server_is_tried_and_each_cause_is_named(hasty: str) -> None:
    async with Registry(f"{hasty},127.0.0.1:1") as registry:
        with pytest.raises(NotConnected, match="refused") as failure:
            await read(registry)
    assert "the connection was closed" in str(failure.value)


@pytest.mark.integration
async def test_the_first_server_that_answers_is_enough(env: dict[str, str], prefix: str) -> None:
    async with Registry(f"127.0.0.1:1,{env['MODELOG_KAFKA_SERVERS']}", prefix=prefix) as registry:
        await publish(registry)


@pytest.mark.integration
@ways
async def test_a_missing_topic_is_named_with_its_prefix_and_is_not_made(
    registry: Registry, env: dict[str, str], way: Way, error: type[Exception]
) -> None:
    async with Registry(env["MODELOG_KAFKA_SERVERS"], prefix="missing.") as other:
        with pytest.raises(
            error, match=r"expected the topic missing\.(model\.promoted|promotion\.requested) at"
        ) as failure:
            await way(other)
    assert "check MODELOG_TOPIC_PREFIX, which is 'missing.' here" in str(failure.value)
    admin = AIOKafkaAdminClient(bootstrap_servers=env["MODELOG_KAFKA_SERVERS"])
    await admin.start()
    try:
        assert not [topic for topic in await admin.list_topics() if topic.startswith("missing.")]
    finally:
        await admin.close()


async def test_a_run_whose_topic_is_out_of_reach_is_not_uploaded() -> None:
    store = Store("http://127.0.0.1:1", "key", "secret", "bucket")  # it would be Unavailable
    async with Registry("127.0.0.1:1", store=store) as registry:
        with pytest.raises(NotPublished):
            await registry.trained("fraud", run="r1", files=Path(__file__))


def test_the_prefixes_that_are_there_are_named() -> None:
    there = {"model.promoted", "staging.model.promoted", "model.trained", "orders"}
    assert "there are topics of that type with the prefix '', 'staging.'; check" in missing_sentence(
        ["test.model.promoted"], there, "kafka:9092"
    )


@pytest.fixture
def misnamed(tmp_path: Path) -> Iterator[str]:
    """The address of a broker that gives clients another address, at which nothing listens."""
    kafka: Any = pytest.importorskip("stack.kafka", reason="needs the stack", exc_type=ImportError)

    async def brokers(host: str, port: int) -> list[Any]:
        connection = await create_conn(host, port)
        found: list[Any] = (await connection.send(MetadataRequest([]))).brokers
        await connection.close()
        return found

    class Misnamed(kafka.Kafka):  # type: ignore[misc]
        def settings(self, controller: str) -> dict[str, object]:
            return {**super().settings(controller), "advertised.listeners": "PLAINTEXT://127.0.0.1:1"}

        def ask(self) -> None:
            assert asyncio.run(brokers("127.0.0.1", self.port))

    broker = Misnamed(tmp_path, erase=True)
    broker.start()
    yield broker.address
    broker.kill()


@pytest.mark.integration
def test_brokers_that_name_another_address_are_named(misnamed: str) -> None:
    with SyncRegistry(misnamed) as registry, pytest.raises(NotConnected) as failure:
        registry.serving("fraud")
    assert f"expected the brokers 127.0.0.1:1, which Kafka at {misnamed} names" in str(failure.value)
    assert "found that the connection is refused" in str(failure.value)
    assert "correct `advertised.listeners`" in str(failure.value)


@pytest.mark.integration
@pytest.mark.parametrize("group", ["deployer", None])
async def test_a_topic_that_is_deleted_ends_its_subscription(
    registry: Registry, env: dict[str, str], prefix: str, group: str | None
) -> None:
    await publish(registry)
    messages = registry.subscribe(PromotionRequested, group=group).__aiter__()
    await asyncio.wait_for(anext(messages), LIMIT_SECONDS)
    admin = AIOKafkaAdminClient(bootstrap_servers=env["MODELOG_KAFKA_SERVERS"])
    await admin.start()
    try:
        await admin.delete_topics([f"{prefix}promotion.requested"])
    finally:
        await admin.close()
    with pytest.raises(MissingTopic, match=f"expected the topic {prefix}promotion.requested"):
        await asyncio.wait_for(anext(messages), LIMIT_SECONDS)


@pytest.mark.parametrize(
    "error", [SaslAuthenticationFailed("\x1b[2J"), TopicAuthorizationFailedError("model.promoted")]
)
def test_a_refused_user_is_named_without_the_password(error: Exception) -> None:
    kafka = {"bootstrap_servers": ["kafka:9092"], "sasl_plain_username": "ci", "sasl_plain_password": "hunter2"}
    sentence = str(denied(kafka, error))
    assert sentence.startswith("expected Kafka at kafka:9092 to let in 'ci', found ")
    assert "hunter2" not in sentence
    assert sentence.isprintable()


async def test_servers_of_a_shell_that_are_not_those_of_the_checkout_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".modelog").mkdir()
    (tmp_path / ".modelog" / "env").write_text("MODELOG_KAFKA_SERVERS=127.0.0.1:2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODELOG_KAFKA_SERVERS", "127.0.0.1:1")
    async with Registry() as registry:
        with pytest.raises(NotPublished, match=r"in your shell is 127\.0\.0\.1:1, .* has 127\.0\.0\.1:2: unset"):
            await publish(registry)
