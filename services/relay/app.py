"""Relay: every fact of the log on its Kafka topic, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from modelog._kafka.sender import close_producer

from services.relay.publisher import MAX_FACTS_IN_FLIGHT, InFlight, Publisher
from shared.bus.producer import make_producer
from shared.log import Log
from shared.log.cursors import read_position
from shared.log.follower import Follower, Leadership, OpenWork
from shared.runtime.waiting import run_beside

logger = structlog.get_logger()

EXTEND_SECONDS = 60.0
"""Between two checks whether the log needs its next partition."""


def publishing() -> OpenWork:
    """The work of a relay; after an error it begins again from its cursor, with a new producer."""
    in_flight = InFlight()

    @asynccontextmanager
    async def publish(leadership: Leadership) -> AsyncIterator[Publisher]:
        settings = leadership.runtime.settings
        position = await read_position(leadership.connection, leadership.follower)
        producer = make_producer(settings.kafka_servers)
        try:
            await producer.start()
            async with run_beside(_extend(leadership.log)):
                yield Publisher(leadership, producer, settings.topic_prefix, position, in_flight)
        finally:
            await close_producer(producer)

    return publish


async def _extend(log: Log) -> None:
    """Make the log's next partition long before it is needed; here, because the relay leads in one process only."""
    while True:
        try:
            await log.pool.execute("select log.extend()")
        except Exception as error:
            logger.warning("the log was not extended, next attempt follows", error=repr(error))
        await asyncio.sleep(EXTEND_SECONDS)


def relay() -> Follower:
    """A component that publishes every settled fact at least once, those of a model in order."""
    about = {"publishes": "every fact, on the topic of its type"}
    return Follower("relay", publishing(), about=about, max_positions=10 * MAX_FACTS_IN_FLIGHT)


service = relay()
