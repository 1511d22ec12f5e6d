"""The bus: one FastStream subscriber over all the topics of a service, at least once, in batches, in order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from modelog._kafka.consumer import Consumer
from prometheus_client import Gauge

from shared.runtime.errors import is_transient
from shared.runtime.runtime import Runtime
from shared.runtime.settings import Settings
from shared.runtime.waiting import sleep_until_stopped

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

log = structlog.get_logger()
lag = Gauge("modelog_lag", "Records not answered yet", ["service", "topic", "partition"])

Records = Sequence["ConsumerRecord[Any, Any]"]
Take = Callable[[Records], Awaitable[None]]

STUCK = 60.0
"""Seconds without an answer from Kafka, while nothing is being worked on, after which the consumer is made anew."""
LONGEST_BATCH = 3600.0
"""Seconds that a batch may take, with many gigabytes in it, before Kafka gives its partitions to another."""
UNREADABLE = 5.0
"""Seconds from a batch that could not be read to the next attempt: each makes the whole group share out anew."""
AGAIN = 1.0
"""Seconds until a batch that was given back comes again; FastStream would hand it over at once."""
IDLE_MS = 3
"""FastStream waits this long for records and, finding none, sleeps as long again."""


async def parse_nothing(records: Records, original: Callable[..., Awaitable[Any]]) -> Any:
    """Parse nothing: null and binary headers make the stock parser raise, and what it raises on is skipped and lost."""
    message = await original((replace(records[0], headers=()),))
    message.raw_message = tuple(records)
    return message


async def decode_nothing(message: Any, _original: Any) -> Records:
    """Hand the records on as they are: one bad record must not hold up the others of its batch."""
    records: Records = message.raw_message
    return records


class Subscription(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """The topics of one service, handed batch by batch to `take`, which raises only when a batch shall come again."""

    def __init__(self, settings: Settings, name: str, topics: Sequence[str], take: Take) -> None:
        self.name = name
        self.take = take
        self.busy = asyncio.Lock()
        self.assigned: frozenset[TopicPartition] | None = None
        self.broker = KafkaBroker(
            settings.kafka_servers,
            client_id=f"modelog-{name}",
            allow_auto_create_topics=False,
            consumer_only=True,
            ack_policy=AckPolicy.NACK_ON_ERROR,
            graceful_timeout=settings.graceful_seconds,
            apply_types=False,
            logger=logging.getLogger("modelog.bus"),
        )
        self.subscriber = self.broker.subscriber(
            *topics,
            group_id=settings.topic_prefix + name,
            batch=True,
            max_records=1_000,
            batch_timeout_ms=IDLE_MS,
            auto_offset_reset="earliest",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=3_000,
            rebalance_timeout_ms=60_000,
            max_poll_interval_ms=int(LONGEST_BATCH * 1000),
            listener=self,
            parser=parse_nothing,
            decoder=decode_nothing,
        )
        self.subscriber(self._taken)

    async def _taken(self, records: Records) -> None:
        async with self.busy:
            try:
                await self.take(records)
            except Exception:
                await asyncio.sleep(AGAIN)
                raise

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Let the running batch end first; whoever gets the partitions would answer it a second time."""
        self.assigned = None
        for one in revoked:
            lag.remove(self.name, one.topic, str(one.partition))
        try:
            async with asyncio.timeout(45), self.busy:
                pass
        except TimeoutError:
            log.warning("gave partitions away during a batch", service=self.name)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self.assigned = frozenset(assigned)

    async def run(self, process: Runtime) -> None:
        """Consume until the process stops, whatever happens to Kafka meanwhile."""
        while not process.stopping.is_set():
            try:
                await self._start()
                await self._watch(process)
            except Exception as error:
                if not is_transient(error):
                    raise
                process.health.ready(self.name, False, f"Kafka does not answer: {error}")
                log.warning("kafka does not answer", service=self.name, error=str(error))
                await sleep_until_stopped(process.stopping, 1.0)
            finally:
                self.assigned = None
                await self.broker.stop()

    async def _start(self) -> None:
        await self.broker.connect()  # which decides how consumers are made
        config = self.broker.config.broker_config
        config.builder = partial(Consumer, **config.builder.keywords)  # type: ignore[attr-defined]
        await self.broker.start()

    async def _watch(self, process: Runtime) -> None:
        """Say every second how it goes; return when the process stops or the consumer is stuck for good."""
        heard = time.monotonic()
        while not process.stopping.is_set():
            consumer = cast(Consumer | None, self.subscriber.consumer)
            if consumer is not None and consumer.broken is not None:
                log.error("a batch cannot be read, beginning again", service=self.name, exc_info=consumer.broken)
                process.health.ready(self.name, False, f"a batch cannot be read: {consumer.broken}")
                return await sleep_until_stopped(process.stopping, UNREADABLE)
            if self.assigned is not None and consumer is not None:
                latest = max((consumer.last_poll_timestamp(one) or 0 for one in self.assigned), default=None)
                now = time.time()  # noqa: TID251  (the clock that aiokafka stamps its polls with)
                if self.busy.locked() or latest is None or now - latest / 1000 < STUCK / 4:
                    heard = time.monotonic()
                await self._measure(consumer)
            still = time.monotonic() - heard
            database = await _answers(process)
            well = self.assigned is not None and still < STUCK / 4 and database
            told = f"{len(self.assigned or ())} partitions, heard from Kafka {still:.0f} s ago"
            process.health.ready(self.name, well, told + ("" if database else ", Postgres does not answer"))
            if still > STUCK:
                log.error("consumer is stuck, making it anew", service=self.name)
                return
            await sleep_until_stopped(process.stopping, 1.0)

    async def _measure(self, consumer: Consumer) -> None:
        for one in self.assigned or ():
            high = consumer.highwater(one)
            if high is not None:
                try:
                    async with asyncio.timeout(0.2):
                        position = await consumer.position(one)
                except Exception:
                    return  # revoked under our hands: the next second measures again
                lag.labels(self.name, one.topic, str(one.partition)).set(high - position)


async def _answers(process: Runtime) -> bool:
    try:
        async with asyncio.timeout(5):
            await process.log.pool.fetchval("select 1")
    except Exception as error:
        if not is_transient(error):
            raise
        return False
    return True
