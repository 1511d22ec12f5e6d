"""The topics of a registry, made and checked: what differs from what modelog needs is raised, or named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from shared.bus.topics import (
    FACTS,
    MAX_MESSAGE_BYTES,
    MIN_SAFE_REPLICAS,
    administration,
    existing_topics,
    make_topics,
)
from shared.bus.topics import topic_names as names
from shared.log.held_topics import fill_again
from shared.runtime.settings import Settings

SET_FOR_TOPIC = 1
"""The source of a value that was set for the topic; others are the broker's, or a default."""
UNLIMITED = {"retention.ms": "the age", "retention.bytes": "the size"}


async def set_up_topics(settings: Settings, connection: asyncpg.Connection) -> list[str]:
    """Create the topics that are missing, check those that exist; return a sentence for each change and each fault."""
    missing = set(names(settings)) - await existing_topics(settings)
    kinds = [name.removeprefix(settings.topic_prefix) for name in missing]
    await fill_again(connection, [kind for kind in kinds if kind in FACTS])
    made = await make_topics(settings, sorted(missing))
    return [f"created topic {name}" for name in made] + await check_topics(settings)


async def check_topics(settings: Settings) -> list[str]:
    """Compare the topics that exist with what modelog needs; raise limits; a sentence for each difference."""
    async with administration(settings) as admin:
        replicas = {
            topic["topic"]: min(len(partition["replicas"]) for partition in topic["partitions"])
            for topic in await admin.describe_topics()
            if topic["topic"] in names(settings) and topic["partitions"]
        }
        if not replicas:
            return []
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in replicas]
        answers: list[Any] = await admin.describe_configs(asked)
        sentences = []
        for code, _, _, name, entries in (resource for answer in answers for resource in answer.resources):
            if code:
                sentences.append(f"topic {name}: its configuration cannot be read ({for_code(code).__name__})")
                continue
            found = {entry[0]: entry[1] for entry in entries}
            if too_low := dict(_too_low(found)):
                own = {entry[0]: entry[1] for entry in entries if entry[3] == SET_FOR_TOPIC}
                sentences += await _raise(admin, name, found, own, too_low)
            sentences += [f"topic {name}: {fault}" for fault in _faults(found, replicas[name])]
        return sentences


def _too_low(found: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The limits that modelog may raise, each with its new value."""
    if int(found["max.message.bytes"]) < MAX_MESSAGE_BYTES:
        yield "max.message.bytes", str(MAX_MESSAGE_BYTES)
    for name in UNLIMITED:
        if int(found[name]) >= 0:
            yield name, "-1"


async def _raise(
    admin: AIOKafkaAdminClient, topic: str, found: Mapping[str, str], own: Mapping[str, str], values: Mapping[str, str]
) -> list[str]:
    # The request replaces every value that was set for the topic.
    answers: list[Any] = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {**own, **values})])
    codes = [resource[0] for answer in answers for resource in answer.resources if resource[0]]
    if codes:
        listed = ", ".join(f"{name} {found[name]} to {value}" for name, value in values.items())
        return [f"topic {topic}: could not raise {listed} ({for_code(codes[0]).__name__}): raise it by hand"]
    return [f"topic {topic}: raised {name} from {found[name]} to {value}" for name, value in values.items()]


def _faults(found: Mapping[str, str], replicas: int) -> Iterator[str]:
    """What differs and is not changed here."""
    if found["cleanup.policy"] != "delete":
        yield (
            f"expected cleanup.policy delete, found {found['cleanup.policy']}: "
            "Kafka removes events of a model that has newer events; set it to delete"
        )
    least = int(found["min.insync.replicas"])
    if least > replicas:
        yield f"expected min.insync.replicas of at most {replicas}, its replicas, found {least}: nothing can be written"
    if replicas > MIN_SAFE_REPLICAS > least:
        yield (
            f"expected min.insync.replicas {MIN_SAFE_REPLICAS}, found {least}: "
            "the loss of a broker may lose what was acknowledged; set it to 2"
        )
