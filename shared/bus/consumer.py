"""The consumer of a service: one FastStream subscriber over all its topics, at least once, in order for each model.

Records are handed over and stay open until they are answered; FastStream commits nothing, because its `ack()` would
commit the positions of all partitions, past the open records. What lies above the oldest open record of a partition
comes again after a crash, and is recognised by its cause.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from shared.bus.flow import FlowConsumer
from shared.bus.open_records import OpenRecords
from shared.bus.processor import Processor
from shared.bus.topics import FACTS, PARKED, existing_topics, make_topics
from shared.bus.watch import Watch
from shared.runtime.recovery import run_with_recovery
from shared.runtime.runtime import Runtime
from shared.runtime.settings import Settings
from shared.runtime.waiting import LAST_SECONDS, run_beside, run_until_stopped, sleep_until_stopped

logger = structlog.get_logger()

Records = Sequence[ConsumerRecord[Any, Any]]

MAX_BATCH_SECONDS = 3600.0
"""How long messages may be decided on before Kafka gives the partitions to another member."""
UNREADABLE_PAUSE_SECONDS = 5.0
"""From a batch that could not be read to the next attempt: each makes the whole group rebalance."""
REVOKE_TIMEOUT_SECONDS = 10.0
"""How long partitions are kept for their open records. The whole group waits, within its rebalance timeout."""
LAST_TROUBLE_SECONDS = 2.0
"""How long a stopping process waits for a server that does not answer; `LOOK_SECONDS` between two looks at that."""
LOOK_SECONDS = 0.2
COMMIT_SECONDS = 0.1
"""Between two commits."""
TOPICS_SECONDS = 5.0
"""Between two checks whether a topic that is missing has come."""
FETCH_BYTES, FETCH_BYTES_OF_PARTITION = 8 * 1024 * 1024, 1024 * 1024
"""The most that a fetch brings, compressed; a larger batch comes alone."""


async def parse_nothing(records: Records, original: Callable[..., Awaitable[Any]]) -> Any:
    """Null and binary headers make FastStream's parser raise, and records on which it raises are skipped and lost."""
    message = await original((replace(records[0], headers=()),))
    message.raw_message = tuple(records)
    return message


async def decode_nothing(message: Any, _original: Any) -> Records:
    """The records as they are: an unreadable record must not delay the others of its batch."""
    records: Records = message.raw_message
    return records


class ServiceConsumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """The topics of a service, and the processor that answers their records."""

    def __init__(self, settings: Settings, name: str, topics: Sequence[str], processor: Processor) -> None:
        self.settings = settings
        self.name = name
        self.topics = [settings.topic_prefix + topic for topic in topics]
        self.processor = processor
        self.open = OpenRecords()
        self.assigned: frozenset[TopicPartition] | None = None
        self.kafka: FlowConsumer | None = None
        self._made_again: set[str] = set()
        self._committing = asyncio.Lock()

    async def run(self, runtime: Runtime) -> None:
        """Consume until the process stops, whatever happens to Kafka meanwhile."""
        await run_with_recovery(runtime, self.name, lambda: self._consume(runtime))

    async def _consume(self, runtime: Runtime) -> None:
        """Consume the topics that exist; return when the process stops or the consumer has to be replaced."""
        existing = await self._make_topics()
        watch = Watch(self, runtime, missing=sorted(set(self.topics) - existing))
        if not existing:
            watch.report_missing()
            return await sleep_until_stopped(runtime.stopping, TOPICS_SECONDS)
        broker = self._broker(sorted(existing))
        try:
            await watch.remember_topics()
            await broker.connect()  # which sets how consumers are made
            config = broker.config.broker_config
            config.builder = partial(self._make, config.builder)
            await broker.start()
            async with run_beside(self._commit_forever()):
                await self._watch(runtime, watch)
                await self._drain(runtime)
            if runtime.stopping.is_set():
                config.graceful_timeout = 0  # the open records have had their time
        finally:
            self._drop(self.open.partitions.keys())
            self.assigned = self.kafka = None
            await run_until_stopped(runtime.stopping, broker.stop(), LAST_SECONDS)
            await watch.close()

    async def _make_topics(self) -> set[str]:
        """Make the topics of reports and requests again that are missing, and return those of ours that exist.

        Topics of facts are waited for: whoever makes them has to fill them from the log.
        """
        own = {*self.topics, self.settings.topic_prefix + PARKED}
        existing = await existing_topics(self.settings) & own
        if missing := own - existing - {self.settings.topic_prefix + kind for kind in FACTS}:
            made = await make_topics(self.settings, only=missing)
            logger.warning("made missing topics again", service=self.name, topics=made)
            existing |= set(made)
        return existing & set(self.topics)

    def _broker(self, topics: Sequence[str]) -> KafkaBroker:
        broker = KafkaBroker(
            self.settings.kafka_servers,
            client_id=f"modelog-{self.name}",
            allow_auto_create_topics=False,
            consumer_only=True,
            ack_policy=AckPolicy.MANUAL,
            graceful_timeout=self.settings.graceful_seconds,
            apply_types=False,
            logger=logging.getLogger("modelog.bus"),
        )
        broker.subscriber(
            *topics,
            group_id=self.settings.topic_prefix + self.name,
            batch=True,
            batch_timeout_ms=1,  # `FlowConsumer` waits for records by itself
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=FETCH_BYTES_OF_PARTITION,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=3_000,
            rebalance_timeout_ms=60_000,
            max_poll_interval_ms=int(MAX_BATCH_SECONDS * 1000),
            listener=self,
            parser=parse_nothing,
            decoder=decode_nothing,
        )(self._take)
        return broker

    def _make(self, builder: Any, **config: Any) -> FlowConsumer:
        # FastStream has no class for each kind of security, so its clients get their arguments here.
        self.kafka = FlowConsumer(open_records=self.open, **(builder.keywords | config | self.settings.kafka))
        return self.kafka

    async def _take(self, records: Records) -> None:
        opened = (self.open.opened(record) for record in records)
        await self.processor.take([record for record in opened if record is not None])

    async def _watch(self, runtime: Runtime, watch: Watch) -> None:
        while not runtime.stopping.is_set():
            assert self.kafka is not None
            if self.kafka.broken is not None:
                watch.report_unreadable(self.kafka.broken)
                return await sleep_until_stopped(runtime.stopping, UNREADABLE_PAUSE_SECONDS)
            if await watch.check(self.kafka):
                return
            if changed := await watch.changed_topics():
                return self._start_again(changed)
            await sleep_until_stopped(runtime.stopping, 1.0)

    def _start_again(self, topics: Collection[str]) -> None:
        """Read these topics from their beginning when their partitions are assigned next, and commit nothing before.

        The offsets of a topic that was made again are of other records. Kafka forgets those of a deleted topic, but
        this consumer may have committed others since.
        """
        logger.warning("topics were deleted or made again", service=self.name, topics=sorted(topics))
        self._made_again |= set(topics)
        self._drop([place for place in self.open.partitions if place.topic in topics])

    async def _drain(self, runtime: Runtime) -> None:
        """Take no more, and let the open records end within the time that a stopping process has.

        Records that wait for a server that does not answer are left at once: they are read again by the next process.
        """
        assert self.kafka is not None
        self.kafka.draining = True
        end = time.monotonic() + (self.settings.graceful_seconds if runtime.stopping.is_set() else 0)
        while self.open.count(self.open.partitions) and time.monotonic() < end:
            trouble = self.processor.troubles.oldest()
            if trouble and time.monotonic() - trouble.since > LAST_TROUBLE_SECONDS:
                logger.warning("stops with open records", service=self.name, waits_for=trouble.error)
                break
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self.open.wait_until_closed(self.open.partitions.keys())
        try:
            # aiokafka repeats a commit for as long as Kafka is away.
            async with asyncio.timeout(LAST_SECONDS if runtime.stopping.is_set() else None):
                await self._commit()
        except TimeoutError:
            logger.warning("stops without a last commit", service=self.name, waits_for="Kafka")

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Let the open records end first: the next owner of the partitions would answer them a second time."""
        self.assigned = None
        try:
            async with asyncio.timeout(REVOKE_TIMEOUT_SECONDS):
                await self.open.wait_until_closed(revoked)
        except TimeoutError:
            count = self.open.count(revoked)
            logger.warning("partitions were revoked with open records", service=self.name, records=count)
        await self._commit()
        self._drop(revoked)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        assert self.kafka is not None
        for place in assigned:
            if place.topic in self._made_again:
                self.kafka.seek(place, 0)
        self._made_again -= self.kafka.subscription()
        self.assigned = frozenset(assigned)

    def _drop(self, partitions: Any) -> None:
        self.open.drop(list(partitions))
        self.processor.drop()

    async def _commit_forever(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            await self._commit()

    async def _commit(self) -> None:
        """Commit each partition up to its oldest open record: one commit at a time, so that none goes backwards."""
        async with self._committing:
            if self.kafka is None:
                return
            for place in self.assigned or ():
                if place.topic in self._made_again:
                    continue
                if (position := self.kafka.read_to(place)) is not None:
                    self.open.passed(place, position)
            offsets = {
                place: offset
                for place, offset in self.open.committable().items()
                if place.topic not in self._made_again
            }
            if not offsets:
                return
            try:
                await self.kafka.commit(offsets)
            except (KafkaError, IllegalStateError) as error:  # lost partitions come again, and are recognised
                logger.info("a commit failed", service=self.name, error=repr(error))
            else:
                self.open.committed(offsets)
