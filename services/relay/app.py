"""Relay: every fact of the log on its Kafka topic, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from services.relay.fence import FencedProducer
from services.relay.holding import Holding
from services.relay.page import MAX_FACTS_IN_FLIGHT, PageSize
from services.relay.publisher import Publisher
from services.relay.topic_watch import TopicWatch
from shared.log import Log
from shared.log.cursors import read_position
from shared.log.follower import Follower, Leadership, OpenWork
from shared.runtime.waiting import run_beside

logger = structlog.get_logger()

EXTEND_SECONDS = 60.0
"""Between two checks whether the log needs its next partition."""


def publishing() -> OpenWork:
    """The work of a relay; after an error it begins again from its cursor, with a new producer."""
    page_size, holding = PageSize(), Holding()
    watch: TopicWatch | None = None

    @asynccontextmanager
    async def publish(leadership: Leadership) -> AsyncIterator[Publisher]:
        nonlocal watch
        settings = leadership.runtime.settings
        fence, watch = FencedProducer(settings), watch or TopicWatch(settings)
        watch.may_make(())
        try:
            await watch.look()
            await fence.renew()
            # After the fence, on the connection that holds the lock: this relay leads, and no other has a later epoch.
            position = await read_position(leadership.connection, leadership.follower)
            async with run_beside(watch.run(), _extend(leadership.log)):
                yield Publisher(leadership, fence, watch, position, page_size, holding)
        finally:
            await fence.close()

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
