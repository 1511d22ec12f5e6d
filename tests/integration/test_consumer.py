"""The consumer of a service on a real Kafka: rebalances, consumers that are stuck or broken, and what it reports."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from modelog.policy import DEFAULT

from shared.bus import consumer as bus
from shared.bus import watch
from shared.bus.consumer import ServiceConsumer
from shared.bus.open_records import OpenRecord
from shared.bus.topics import administration, make_topics
from shared.bus.troubles import Troubles
from shared.log import Log
from shared.runtime.postgres import connect
from shared.runtime.runtime import Context, Runtime
from shared.runtime.settings import Settings
from stack.waiting import until
from tests.examples import NOON

NAME = "ingestion"
TOPIC = "model.trained"


class Member:
    """A service in a process of its own: what it took; a record is closed once `open` is set."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self.runtime = Runtime(settings, log.pool, DEFAULT)
        self.consumer = ServiceConsumer(settings, NAME, [TOPIC], cast(Any, self))
        self.taken: list[bytes] = []
        self.open = asyncio.Event()
        self.open.set()
        self.troubles = Troubles()
        self.context = Context(NOON, DEFAULT, {})
        self.is_answering = self.is_handling = False
        self.closing: set[asyncio.Task[None]] = set()

    async def take(self, records: Sequence[OpenRecord]) -> None:
        self.taken += [opened.record.value for opened in records]
        task = asyncio.create_task(self._close(records))
        self.closing.add(task)
        await asyncio.sleep(0)

    async def _close(self, records: Sequence[OpenRecord]) -> None:
        await self.open.wait()
        for opened in records:
            opened.close()

    def drop(self) -> None:
        """Nothing is kept."""

    @property
    def kafka(self) -> Any:
        """The consumer of aiokafka, another after it was replaced."""
        return self.consumer.kafka

    @property
    def health(self) -> dict[str, Any]:
        return self.runtime.health.components.get(NAME, {"ready": False, "detail": ""})

    async def is_ready(self, partitions: int) -> None:
        await until(self._async(lambda: self.health.get("partitions") == partitions and self.health["ready"]), "ready")

    async def took(self, *values: bytes) -> None:
        await until(self._async(lambda: set(values) <= set(self.taken)), f"{values} out of {self.taken}")

    async def reports(self, detail: str) -> None:
        found = self._async(lambda: not self.health["ready"] and detail in self.health["detail"])
        await until(found, f"not ready because of {detail}")

    async def replaced(self, before: Any) -> None:
        await until(self._async(lambda: self.kafka is not None and self.kafka is not before), "another consumer")

    @staticmethod
    def _async(found: Any) -> Any:
        async def condition() -> bool:
            return bool(found())

        return condition

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Member"]:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.consumer.run(self.runtime))
            try:
                yield self
            finally:
                self.runtime.stopping.set()
                self.open.set()


@pytest.fixture
async def registry(settings: Settings) -> Settings:
    """Settings whose topics are there."""
    await make_topics(settings)
    return settings


async def send(settings: Settings, *values: bytes, partition: int = 0) -> None:
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_servers) as producer:
        for value in values:
            await producer.send_and_wait(settings.topic_prefix + TOPIC, value, partition=partition)


async def test_a_consumer_with_all_its_partitions_is_ready_and_takes_what_comes(registry: Settings, log: Log) -> None:
    async with Member(registry, log).running() as member:
        await member.is_ready(partitions=3)
        await send(registry, b"a", b"b")
        await member.took(b"a", b"b")
    assert member.taken == [b"a", b"b"]


async def test_partitions_are_kept_until_their_open_records_are_answered(
    registry: Settings, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Member(registry, log), Member(registry, log)
    revoked, ended = first.consumer.on_partitions_revoked, asyncio.Event()

    async def recorded(partitions: set[TopicPartition]) -> None:
        await revoked(partitions)
        ended.set()

    monkeypatch.setattr(first.consumer, "on_partitions_revoked", recorded)
    async with first.running(), second_after(first, second, registry):
        ended.clear()
        await until(Member._async(lambda: first.consumer.assigned is None), "the revocation")
        for _ in range(100):
            await asyncio.sleep(0)
        assert not ended.is_set(), "the record is open, so no other member gets its partition"
        assert second.consumer.assigned is None
        first.open.set()
        await ended.wait()
        await until(Member._async(lambda: first.consumer.assigned and second.consumer.assigned), "partitions of both")
        assert len((first.consumer.assigned or frozenset()) | (second.consumer.assigned or frozenset())) == 3


async def test_a_record_that_is_open_for_longer_than_the_limit_comes_to_the_next_owner(
    registry: Settings, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus, "REVOKE_TIMEOUT_SECONDS", 0.1)
    first, second = Member(registry, log), Member(registry, log)
    with structlog.testing.capture_logs() as lines:
        async with first.running(), second_after(first, second, registry):
            await until(Member._async(lambda: second.consumer.assigned), "partitions of the second")
            assert not first.open.is_set()
    assert "partitions were revoked with open records" in [line["event"] for line in lines]


@asynccontextmanager
async def second_after(first: Member, second: Member, settings: Settings) -> AsyncIterator[None]:
    """The second member joins the group while the first runs a batch."""
    await first.is_ready(partitions=3)
    first.open.clear()
    await send(settings, b"a")
    await first.took(b"a")
    async with second.running():
        yield


async def test_a_stuck_consumer_is_not_ready_and_then_replaced(
    registry: Settings, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Member(registry, log).running() as member:
        await member.is_ready(partitions=3)
        stuck = member.kafka
        monkeypatch.setattr(stuck, "last_poll_timestamp", lambda _partition: 0)
        monkeypatch.setattr(watch, "STUCK_SECONDS", 2.0)
        await member.reports("Kafka did not answer for")
        await member.replaced(stuck)
        monkeypatch.undo()
        await member.is_ready(partitions=3)
        await send(registry, b"a")
        await member.took(b"a")


async def test_a_consumer_that_fetches_nothing_because_it_answers_is_not_stuck(
    registry: Settings, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Member(registry, log).running() as member:
        await member.is_ready(partitions=3)
        member.is_answering = True
        await send(registry, b"a")
        await member.took(b"a")
        busy, reports, report = member.kafka, list[bool](), member.runtime.health.report

        def recorded(component: str, ready: bool, detail: str, **state: Any) -> None:
            reports.append(ready)
            report(component, ready, detail, **state)

        monkeypatch.setattr(member.runtime.health, "report", recorded)
        monkeypatch.setattr(busy, "last_poll_timestamp", lambda _partition: 0)
        monkeypatch.setattr(watch, "STUCK_SECONDS", 0.5)
        await until(Member._async(lambda: len(reports) > 2), "two seconds of reports")
        assert all(reports)
        assert member.kafka is busy


async def test_a_batch_that_cannot_be_read_is_reported_and_a_new_consumer_begins_again(
    registry: Settings, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Member(registry, log).running() as member:
        await member.is_ready(partitions=3)
        monkeypatch.setattr(bus, "UNREADABLE_PAUSE_SECONDS", 0.5)
        broken, getmany = member.kafka, AIOKafkaConsumer.getmany

        async def unreadable(*_: Any, **__: Any) -> Any:
            raise ValueError("a batch of another age")

        monkeypatch.setattr(AIOKafkaConsumer, "getmany", unreadable)
        await member.reports("a batch cannot be read: a batch of another age")
        await send(registry, b"a")
        monkeypatch.setattr(AIOKafkaConsumer, "getmany", getmany)
        await member.took(b"a")
        await member.is_ready(partitions=3)
        assert member.kafka is not broken


async def test_a_service_whose_postgres_does_not_answer_is_not_ready(
    registry: Settings, log: Log, database: str
) -> None:
    member = Member(registry, log)
    gone = await connect(database, None, size=1)
    async with member.running():
        await member.is_ready(partitions=3)
        member.runtime.pool = gone
        await member.is_ready(partitions=3)
        await gone.close()
        await member.reports("Postgres does not answer")
        member.runtime.pool = log.pool
        await member.is_ready(partitions=3)


async def test_an_open_transaction_that_holds_records_back_is_named(
    registry: Settings, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "STALLED_SECONDS", 0.5)
    name = f"{registry.topic_prefix}hanging"
    producer = AIOKafkaProducer(bootstrap_servers=registry.kafka_servers, transactional_id=name)
    async with Member(registry, log).running() as member, producer:
        await member.is_ready(partitions=3)
        await producer.begin_transaction()
        await producer.send_and_wait(registry.topic_prefix + TOPIC, b"taken back", partition=0)
        await send(registry, b"behind")
        await member.reports(f"an open transaction of {name} holds back the records of {registry.topic_prefix}{TOPIC}")
        assert member.taken == []
        await producer.abort_transaction()
        await member.took(b"behind")
        await member.is_ready(partitions=3)
    assert member.taken == [b"behind"]


async def test_a_topic_that_was_made_again_is_read_from_its_beginning(registry: Settings, log: Log) -> None:
    """With more records than before, so that Kafka does not refuse the offset where the consumer was."""
    topic = registry.topic_prefix + TOPIC
    before, after = [b"before %d" % n for n in range(3)], [b"after %d" % n for n in range(9)]
    async with Member(registry, log).running() as member, administration(registry) as admin:
        await member.is_ready(partitions=3)
        await send(registry, *before)
        await member.took(*before)
        await admin.delete_topics([topic])
        await until(lambda: _made(registry, topic), f"{topic} made again", every=0.01)
        await send(registry, *after)
        await member.took(*after)
        await member.is_ready(partitions=3)


async def _made(settings: Settings, topic: str) -> bool:
    return bool(await make_topics(settings, [topic]))
