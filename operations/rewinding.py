"""The consumer groups of the services: whether they have members, and moved back to a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services import component, names
from shared.bus.originals import Originals
from shared.bus.topics import PARKED, administration
from shared.deciding.service import Service
from shared.runtime.settings import Settings
from shared.runtime.waiting import retry

RETRY_SECONDS = 30.0
"""The coordinator of a group is unknown for a while after Kafka has started."""


def group_names() -> list[str]:
    """The services that have a consumer group; its name is the prefix and the service's name."""
    return [name for name in names() if name == PARKED or isinstance(component(name), Service)]


@dataclass(frozen=True)
class Groups:
    """The consumer groups of a registry."""

    settings: Settings
    admin: AIOKafkaAdminClient

    async def members(self) -> dict[str, list[str]]:
        """For each service whose group has members, the hosts of the members."""
        found = {name: await retry(partial(self._hosts, name), RETRY_SECONDS) for name in group_names()}
        return {name: hosts for name, hosts in found.items() if hosts}

    async def _hosts(self, name: str) -> list[str]:
        # One group a request: aiokafka cannot read an answer with several.
        (answer,) = await self.admin.describe_consumer_groups([self.settings.topic_prefix + name])
        return sorted({member[2] for group in answer.groups for member in group[5]})

    async def rewind(self, kafka: Originals, time_ms: int) -> dict[str, int]:
        """Move each group back to the first record that is not older, never forward; return the records it repeats."""
        return {name: await self._rewind(self.settings.topic_prefix + name, kafka, time_ms) for name in group_names()}

    async def _rewind(self, group: str, kafka: Originals, time_ms: int) -> int:
        committed = {
            at: found.offset
            for at, found in (await self.admin.list_consumer_group_offsets(group)).items()
            if found.offset >= 0
        }
        back: dict[TopicPartition, int] = {}
        for topic in sorted({at.topic for at in committed}):
            since = await kafka.since(topic, time_ms)
            back |= {at: offset for at, offset in since.items() if offset < committed.get(at, 0)}
        if back:
            await self._commit(group, back)
        return sum(committed[at] - offset for at, offset in back.items())

    async def _commit(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Kafka refuses this while the group has members."""
        consumer = AIOKafkaConsumer(**self.settings.kafka, group_id=group, enable_auto_commit=False)
        consumer.assign(list(offsets))
        try:
            await consumer.start()
            await consumer.commit(dict(offsets))
        finally:
            await consumer.stop()


@asynccontextmanager
async def groups(settings: Settings) -> AsyncIterator[Groups]:
    """The groups, for the time of the block."""
    async with administration(settings) as admin:
        yield Groups(settings, admin)


def described(members: Mapping[str, Iterable[str]]) -> str:
    """Which services run where, for a sentence."""
    return ", ".join(f"{name} at {' and '.join(hosts)}" for name, hosts in members.items())
