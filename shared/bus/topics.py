"""The topics of a registry: one for each type of event, and `parked`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError, for_code
from modelog.events import BY_TYPE, Fact

from shared.runtime.settings import Settings

PARKED = "parked"
FACTS = tuple(kind for kind, event in BY_TYPE.items() if issubclass(event, Fact))
"""The kinds of facts, each with a topic that only the relay writes."""

MAX_MESSAGE_BYTES = 6 * 1024 * 1024
"""A value is read up to 1 MiB; a larger value must arrive too, to be parked with a reason."""
MIN_SAFE_REPLICAS = 2
"""Copies of a record that exist before it is acknowledged, where a topic has at least three replicas."""


@asynccontextmanager
async def administration(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connection to make, read and configure topics."""
    admin = AIOKafkaAdminClient(**settings.kafka)
    try:
        await start_admin(admin)
        yield admin
    finally:
        await admin.close()


async def start_admin(admin: AIOKafkaAdminClient) -> None:
    """Connect; raise KafkaError."""
    await admin.start()
    # aiokafka goes on after a token that was refused, and is shown no broker; without a controller it has a bug.
    if admin._client.cluster.controller is None:
        raise KafkaConnectionError("Kafka shows no controller to this client")


def topic_names(settings: Settings) -> list[str]:
    """The topics that this registry needs."""
    return [settings.topic_prefix + name for name in (*BY_TYPE, PARKED)]


async def existing_topics(settings: Settings) -> set[str]:
    """The names of the topics that exist and begin with the registry's prefix."""
    async with administration(settings) as admin:
        return {name for name in await admin.list_topics() if name.startswith(settings.topic_prefix)}


async def make_topics(settings: Settings, only: Collection[str] | None = None) -> list[str]:
    """Create the missing topics, of all or of `only` these names; return their names. Existing topics do not change.

    Their records are kept for ever: a service that was away for a month has lost nothing, and a subscriber can begin at
    the beginning. Partitions are never added to an existing topic: keys would move to others and lose their order.
    A record is acknowledged by all replicas in sync, which may be a single broker; `min.insync.replicas` makes the
    broker refuse instead, so that the loss of the leader loses nothing that was acknowledged. With fewer than three
    replicas that would stop every producer as soon as a broker restarts, so there the minimum stays 1.
    Raise the KafkaError of a topic that could not be created.
    """
    async with administration(settings) as admin:
        there = set(await admin.list_topics())
        wanted = topic_names(settings) if only is None else only
        missing = [_topic(settings, name) for name in wanted if name not in there]
        if missing:
            answer = await admin.create_topics(missing)
            for name, code, *_ in answer.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error(f"topic {name} could not be created")
        return [topic.name for topic in missing]


def topic_settings(replicas: int) -> dict[str, str]:
    """The configuration of a topic with so many replicas."""
    return {
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "cleanup.policy": "delete",
        "min.insync.replicas": str(MIN_SAFE_REPLICAS if replicas > MIN_SAFE_REPLICAS else 1),
    }


def _topic(settings: Settings, name: str) -> NewTopic:
    return NewTopic(
        name=name,
        num_partitions=settings.topic_partitions,
        replication_factor=settings.topic_replicas,
        topic_configs=topic_settings(settings.topic_replicas),
    )
