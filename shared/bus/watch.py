"""Watching a service's consumer: its lag, whether it gets forward, and why not, for `/readyz` and `/metrics`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from prometheus_client import Gauge

from shared.bus.flow import FlowConsumer
from shared.bus.group_progress import GroupProgress
from shared.bus.open_transactions import open_transactions
from shared.bus.topic_ids import topic_ids
from shared.bus.topics import start_admin
from shared.runtime.postgres import problem
from shared.runtime.runtime import Runtime

if TYPE_CHECKING:
    from shared.bus.consumer import ServiceConsumer

logger = structlog.get_logger()
lag = Gauge("modelog_lag", "Records not answered yet", ["service", "topic", "partition"])

STUCK_SECONDS = 60.0
"""A consumer that got no answer from Kafka for so long, while it could take records, is replaced."""
TROUBLE_SECONDS = 5.0
"""A call that is repeated for so long because of transient errors makes the service not ready."""
STALLED_SECONDS = 30.0
"""A service that has records and answers none for so long is not ready, unless handlers read bytes; so is an open
transaction that holds records back."""
GROUP_STALLED_SECONDS = 60.0
"""The same for the partitions of other members: a member that reads a large artifact commits nothing meanwhile."""
GROUP_SECONDS = 5.0
"""Between two checks of the group, and for each."""
TOPICS_SECONDS = 1.0
"""Between two looks whether a topic was deleted or made again."""


class Watch:
    """What is known of a consumer since it was made."""

    def __init__(self, consumer: ServiceConsumer, runtime: Runtime, missing: Collection[str]) -> None:
        self.consumer = consumer
        self.runtime = runtime
        self.missing = missing
        self.group = GroupProgress(runtime.settings.topic_prefix + consumer.name)
        self._admin: AIOKafkaAdminClient | None = None
        self._fetched_at = self._progressed_at = self._group_at = self._topics_at = time.monotonic()
        self._last: dict[TopicPartition, int] = {}
        self._lags: set[TopicPartition] = set()
        self._topic_ids: dict[str, bytes] = {}
        self._withheld_since: dict[TopicPartition, float] = {}

    def report_missing(self) -> None:
        """No topic of the service exists."""
        self._report([f"the topics {', '.join(self.missing)} are missing: run `python -m operations setup`"], 0, 0)

    def report_unreadable(self, reason: Exception) -> None:
        """A batch cannot be read."""
        logger.error("a batch cannot be read, connecting again", service=self.consumer.name, exc_info=reason)
        self._report([f"a batch cannot be read: {reason}"], 0, 0)

    async def check(self, kafka: FlowConsumer) -> bool:
        """Report the state; return whether the consumer is stuck, so that it has to be replaced."""
        assigned, now = self.consumer.assigned, time.monotonic()
        problems = [f"the topic {topic} is missing" for topic in self.missing]
        lags = self._measure(kafka, assigned or frozenset())
        if assigned is None:
            problems.append("no partitions are assigned yet")
        elif self._is_fetching(kafka, assigned):
            self._fetched_at = now
        if (silent := now - self._fetched_at) > STUCK_SECONDS / 4:
            problems.append(f"Kafka did not answer for {silent:.0f} s")
        if found := await problem(self.runtime.pool):
            problems.append(found)
        problems += [*self._troubles(now), *self._standing(lags, now), *await self._withheld(kafka, lags, now)]
        problems += await self._resources()
        problems += await self._others(kafka, assigned or frozenset(), now)
        self._report(problems, sum(lags.values()), len(assigned or ()))
        if silent > STUCK_SECONDS:
            logger.error("the consumer is stuck, replacing it", service=self.consumer.name)
        return silent > STUCK_SECONDS

    async def remember_topics(self) -> None:
        """The topics as the consumer is about to subscribe to them; raise what Kafka raises."""
        async with asyncio.timeout(GROUP_SECONDS):
            self._topic_ids = await topic_ids(await self._connected(), self.consumer.topics)

    async def changed_topics(self) -> set[str]:
        """The topics of the service that were deleted, made, or made again since they were remembered."""
        if time.monotonic() - self._topics_at < TOPICS_SECONDS:
            return set()
        self._topics_at = time.monotonic()
        try:
            async with asyncio.timeout(GROUP_SECONDS):
                found = await topic_ids(await self._connected(), self.consumer.topics)
        except (KafkaError, OSError) as error:
            logger.warning("the topics cannot be looked at", service=self.consumer.name, error=repr(error))
            await self._close_admin()
            return set()
        changed = {topic for topic in self.consumer.topics if found.get(topic) != self._topic_ids.get(topic)}
        if changed:
            self._report([f"the topic {topic} was deleted or made again" for topic in sorted(changed)], 0, 0)
        return changed

    async def close(self) -> None:
        """Forget the lag, and close the connection to Kafka."""
        for place in self._lags:
            lag.remove(self.consumer.name, place.topic, str(place.partition))
        self._lags.clear()
        await self._close_admin()

    async def _connected(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            self._admin = AIOKafkaAdminClient(**self.runtime.settings.kafka)
            await start_admin(self._admin)
        return self._admin

    async def _close_admin(self) -> None:
        closing, self._admin = self._admin, None
        with suppress(KafkaError, OSError):
            if closing is not None:
                await closing.close()

    def _is_fetching(self, kafka: FlowConsumer, assigned: frozenset[TopicPartition]) -> bool:
        """Whether Kafka answered lately, or nothing is fetched because messages are being answered."""
        if self.consumer.processor.is_answering or not assigned - self.consumer.open.full():
            return True
        latest = max((kafka.last_poll_timestamp(place) or 0 for place in assigned), default=None)
        now = time.time()  # the clock of aiokafka's timestamps
        return latest is None or now - latest / 1000 < STUCK_SECONDS / 4

    def _measure(self, kafka: FlowConsumer, assigned: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
        """The records of each assigned partition that are not answered."""
        lags: dict[TopicPartition, int] = {}
        for place in assigned:
            opened, high = self.consumer.open.partitions.get(place), kafka.highwater(place)
            position = opened.committable if opened and opened.nbytes else kafka.read_to(place)
            if high is not None and position is not None:
                lags[place] = max(0, high - position)
        for place in self._lags - lags.keys():
            lag.remove(self.consumer.name, place.topic, str(place.partition))
        for place, count in lags.items():
            lag.labels(self.consumer.name, place.topic, str(place.partition)).set(count)
        self._lags = set(lags)
        return lags

    def _troubles(self, now: float) -> list[str]:
        trouble = self.consumer.processor.troubles.oldest()
        if trouble is None or now - trouble.since < TROUBLE_SECONDS:
            return []
        return [f"a transient error lasts for {now - trouble.since:.0f} s: {trouble.error}"]

    def _standing(self, lags: dict[TopicPartition, int], now: float) -> list[str]:
        """No record ended for a while, and none is being worked on."""
        done = {place: opened.closed for place, opened in self.consumer.open.partitions.items()}
        if done != self._last or not sum(lags.values()) or self.consumer.processor.is_handling:
            self._last, self._progressed_at = done, now
        if now - self._progressed_at < STALLED_SECONDS:
            return []
        return [f"no message was answered for {now - self._progressed_at:.0f} s"]

    async def _withheld(self, kafka: FlowConsumer, lags: dict[TopicPartition, int], now: float) -> list[str]:
        """Records behind a transaction that a producer has left open cannot be read before it ends or times out."""
        for place in lags.keys() & kafka.assignment():  # which may have changed since they were measured
            stable, high = kafka.last_stable_offset(place), kafka.highwater(place)
            opened = self.consumer.open.partitions.get(place)
            if stable is None or high is None or stable >= high or (opened and opened.nbytes):
                self._withheld_since.pop(place, None)
            else:
                self._withheld_since.setdefault(place, now)
        lasting = {
            place: now - since for place, since in self._withheld_since.items() if now - since >= STALLED_SECONDS
        }
        return [
            f"an open transaction of {await self._owners(kafka, place)} holds back the records of {place.topic}, "
            f"partition {place.partition}, for {seconds:.0f} s"
            for place, seconds in lasting.items()
        ]

    async def _owners(self, kafka: FlowConsumer, place: TopicPartition) -> str:
        try:
            async with asyncio.timeout(GROUP_SECONDS):
                leader = kafka.leader(place)
                return ", ".join(await open_transactions(await self._connected(), place, leader)) or "a producer"
        except (KafkaError, OSError) as error:
            logger.warning("the transactions cannot be listed", service=self.consumer.name, error=repr(error))
            await self._close_admin()
        return "a producer"

    async def _resources(self) -> list[str]:
        asked = [getattr(resource, "problem", None) for resource in self.consumer.processor.context.resources.values()]
        return list(dict.fromkeys([problem for ask in asked if ask is not None and (problem := await ask())]))

    async def _others(self, kafka: FlowConsumer, assigned: frozenset[TopicPartition], now: float) -> list[str]:
        """What is wrong with the partitions that other members of the group have."""
        if now - self._group_at >= GROUP_SECONDS:
            self._group_at = now
            numbers = {topic: kafka.partitions_for_topic(topic) or () for topic in kafka.subscription()}
            every = {TopicPartition(topic, number) for topic, found in numbers.items() for number in found}
            try:
                async with asyncio.timeout(GROUP_SECONDS):
                    await self.group.check(await self._connected(), kafka, every - assigned)
            except (KafkaError, OSError) as error:
                logger.warning("the group cannot be checked", service=self.consumer.name, error=repr(error))
                await self._close_admin()
        if (since := self.group.no_progress_since) is None or now - since < GROUP_STALLED_SECONDS:
            return []
        return [
            f"other members of the group have {self.group.lag} records and answer none for {now - since:.0f} s: "
            "check who else reads as this group"
        ]

    def _report(self, problems: Collection[str], behind: int, partitions: int) -> None:
        now, paused = time.monotonic(), len(self.consumer.open.full())
        why = "; ".join(problems) or None
        waits = [self._progressed_at, self.group.no_progress_since or now]
        since = min(waits) if why else None
        detail = f"{partitions} partitions, {behind} records behind" + (f", {paused} paused" if paused else "")
        state: dict[str, Any] = {
            "role": "member" if partitions else "standby",
            "partitions": partitions,
            "paused": paused,
            "lag": behind,
            "no_progress_since": _at(since, now) if since is not None else None,
            "why": why,
        }
        self.runtime.health.report(self.consumer.name, why is None, f"{detail}; {why}" if why else detail, **state)


def _at(since: float, now: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=now - since)).isoformat(timespec="seconds")
