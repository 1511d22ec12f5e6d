"""The consumer of a service: one FastStream subscriber over all its topics, at least once, in batches, in order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from modelog._kafka.consumer import Consumer
from prometheus_client import Gauge

from shared.runtime.postgres import answers
from shared.runtime.recovery import run_with_recovery
from shared.runtime.runtime import Runtime
from shared.runtime.settings import Settings
from shared.runtime.waiting import sleep_until_stopped

logger = structlog.get_logger()
lag = Gauge("modelog_lag", "Records not answered yet", ["service", "topic", "partition"])

Records = Sequence[ConsumerRecord[Any, Any]]
Take = Callable[[Records], Awaitable[None]]

STUCK_SECONDS = 60.0
"""A consumer that got no answer from Kafka for so long, while no batch was running, is replaced; at a quarter of it the
service is not ready."""
MAX_BATCH_SECONDS = 3600.0
"""How long a batch of many gigabytes may take before Kafka gives its partitions to another member."""
UNREADABLE_PAUSE_SECONDS = 5.0
"""From a batch that could not be read to the next attempt: each makes the whole group rebalance."""
RETURNED_BATCH_PAUSE_SECONDS = 1.0
"""Until a batch that was given back comes again; FastStream would deliver it at once."""
REVOKE_TIMEOUT_SECONDS = 45.0
"""How long partitions are kept for the running batch; below the rebalance timeout of the group."""
POLL_MS = 3
"""FastStream waits so long for records and, finding none, sleeps as long again."""


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
    """The topics of one service, batch by batch to `take`, which raises only if the batch must be delivered again."""

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
            batch_timeout_ms=POLL_MS,
            auto_offset_reset="earliest",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=3_000,
            rebalance_timeout_ms=60_000,
            max_poll_interval_ms=int(MAX_BATCH_SECONDS * 1000),
            listener=self,
            parser=parse_nothing,
            decoder=decode_nothing,
        )
        self.subscriber(self._take)

    async def _take(self, records: Records) -> None:
        async with self.busy:
            try:
                await self.take(records)
            except Exception:
                await asyncio.sleep(RETURNED_BATCH_PAUSE_SECONDS)
                raise

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Let the running batch end first: the next owner of the partitions would answer it a second time."""
        self.assigned = None
        for partition in revoked:
            lag.remove(self.name, partition.topic, str(partition.partition))
        try:
            async with asyncio.timeout(REVOKE_TIMEOUT_SECONDS), self.busy:
                pass
        except TimeoutError:
            logger.warning("partitions were revoked during a batch", service=self.name)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self.assigned = frozenset(assigned)

    async def run(self, runtime: Runtime) -> None:
        """Consume until the process stops, whatever happens to Kafka meanwhile."""
        await run_with_recovery(runtime, self.name, lambda: self._consume(runtime))

    async def _consume(self, runtime: Runtime) -> None:
        try:
            await self.broker.connect()  # which sets how consumers are made
            config = self.broker.config.broker_config
            config.builder = partial(Consumer, **config.builder.keywords)  # type: ignore[attr-defined]
            await self.broker.start()
            await self._watch(runtime)
        finally:
            self.assigned = None
            await self.broker.stop()

    async def _watch(self, runtime: Runtime) -> None:
        """Report the state every second; return when the process stops or the consumer has to be replaced."""
        answered_at = time.monotonic()
        while not runtime.stopping.is_set():
            consumer = cast(Consumer | None, self.subscriber.consumer)
            if consumer is not None and consumer.broken is not None:
                logger.error("a batch cannot be read, connecting again", service=self.name, exc_info=consumer.broken)
                runtime.health.report(self.name, False, f"a batch cannot be read: {consumer.broken}")
                return await sleep_until_stopped(runtime.stopping, UNREADABLE_PAUSE_SECONDS)
            if self.assigned is not None and consumer is not None:
                if self.busy.locked() or self._polled_lately(consumer, self.assigned):
                    answered_at = time.monotonic()
                await self._measure(consumer, self.assigned)
            silent_seconds = time.monotonic() - answered_at
            await self._report(runtime, silent_seconds)
            if silent_seconds > STUCK_SECONDS:
                logger.error("the consumer is stuck, replacing it", service=self.name)
                return
            await sleep_until_stopped(runtime.stopping, 1.0)

    def _polled_lately(self, consumer: Consumer, assigned: frozenset[TopicPartition]) -> bool:
        latest = max((consumer.last_poll_timestamp(partition) or 0 for partition in assigned), default=None)
        now = time.time()  # noqa: TID251  (the clock of aiokafka's timestamps)
        return latest is None or now - latest / 1000 < STUCK_SECONDS / 4

    async def _report(self, runtime: Runtime, silent_seconds: float) -> None:
        partitions, database = len(self.assigned or ()), await answers(runtime.pool)
        ready = self.assigned is not None and silent_seconds < STUCK_SECONDS / 4 and database
        detail = f"{partitions} partitions, last answer of Kafka {silent_seconds:.0f} s ago"
        detail += "" if database else ", Postgres does not answer"
        runtime.health.report(self.name, ready, detail, partitions=partitions)

    async def _measure(self, consumer: Consumer, assigned: frozenset[TopicPartition]) -> None:
        for partition in assigned:
            high = consumer.highwater(partition)
            if high is not None:
                try:
                    async with asyncio.timeout(0.2):
                        position = await consumer.position(partition)
                except Exception:
                    return  # revoked while measuring: the next second measures again
                lag.labels(self.name, partition.topic, str(partition.partition)).set(high - position)
