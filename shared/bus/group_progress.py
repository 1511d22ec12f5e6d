"""Whether a consumer group gets forward: a member without partitions sees nothing of it otherwise."""

from __future__ import annotations

import time
from collections.abc import Collection

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient


class GroupProgress:
    """The partitions that other members of the group have: how far they are behind, and since when they stand still."""

    def __init__(self, group: str) -> None:
        self.lag = 0
        self.no_progress_since: float | None = None
        """By time.monotonic; None while the others get forward, or have nothing to do."""
        self._group = group
        self._committed: dict[TopicPartition, int] = {}

    async def check(
        self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]
    ) -> None:
        """Read the committed offsets and the ends of these partitions; raise what Kafka raises."""
        if not partitions:
            self.lag, self.no_progress_since = 0, None
            return
        found = await admin.list_consumer_group_offsets(self._group)
        begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        committed = {place: max(begins[place], found[place].offset if place in found else 0) for place in partitions}
        self.lag = sum(max(0, ends[place] - committed[place]) for place in partitions)
        if self.lag == 0 or committed != self._committed:
            self.no_progress_since = None
        elif self.no_progress_since is None:
            self.no_progress_since = time.monotonic()
        self._committed = committed
