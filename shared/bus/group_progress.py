"""Whether a consumer group gets forward: a member without partitions sees nothing of it otherwise."""

from __future__ import annotations

import time
from collections.abc import Collection

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.runtime.settings import Settings


class GroupProgress:
    """The partitions that other members of the group have: how far they are behind, and since when they stand still."""

    def __init__(self, settings: Settings, group: str) -> None:
        self.lag = 0
        self.no_progress_since: float | None = None
        """By time.monotonic; None while the others get forward, or have nothing to do."""
        self._settings = settings
        self._group = group
        self._admin: AIOKafkaAdminClient | None = None
        self._committed: dict[TopicPartition, int] = {}

    async def check(self, consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> None:
        """Read the committed offsets and the ends of these partitions; raise what Kafka raises."""
        if not partitions:
            self.lag, self.no_progress_since = 0, None
            return
        if self._admin is None:
            self._admin = AIOKafkaAdminClient(bootstrap_servers=self._settings.kafka_servers)
            await self._admin.start()
        found = await self._admin.list_consumer_group_offsets(self._group)
        begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        committed = {place: max(begins[place], found[place].offset if place in found else 0) for place in partitions}
        self.lag = sum(max(0, ends[place] - committed[place]) for place in partitions)
        if self.lag == 0 or committed != self._committed:
            self.no_progress_since = None
        elif self.no_progress_since is None:
            self.no_progress_since = time.monotonic()
        self._committed = committed

    async def close(self) -> None:
        """Close the connection to Kafka; the next check opens another."""
        closing, self._admin = self._admin, None
        if closing is not None:
            await closing.close()
