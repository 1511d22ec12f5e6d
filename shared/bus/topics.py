"""The topics of a registry: one for each type of event, and `parked`."""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code
from modelog.events import BY_TYPE

from shared.runtime.settings import Settings

PARKED = "parked"

MAX_MESSAGE_BYTES = 6 * 1024 * 1024
"""A value is read up to 1 MiB; a larger value must arrive too, to be parked with a reason."""


async def make_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing and return their names; those that exist are left as they are.

    Their records are kept for ever: a service that was away for a month has lost nothing, and a subscriber can begin at
    the beginning. Partitions are never added to an existing topic: keys would move to others and lose their order.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_servers)
    await admin.start()
    try:
        there = set(await admin.list_topics())
        wanted = [_topic(settings, name) for name in [*BY_TYPE, PARKED]]
        missing = [topic for topic in wanted if topic.name not in there]
        if missing:
            answer = await admin.create_topics(missing)
            for name, code, *_ in answer.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error(f"topic {name} could not be created")
        return [topic.name for topic in missing]
    finally:
        await admin.close()


def _topic(settings: Settings, name: str) -> NewTopic:
    return NewTopic(
        name=settings.topic_prefix + name,
        num_partitions=settings.topic_partitions,
        replication_factor=settings.topic_replicas,
        topic_configs={"max.message.bytes": str(MAX_MESSAGE_BYTES), "retention.ms": "-1"},
    )
