"""Relay: the log, spoken on Kafka, in order."""

from __future__ import annotations

import asyncio

import asyncpg
import structlog
from modelog._kafka.sender import close_producer
from prometheus_client import Counter, Gauge

from services.relay.outgoing_batch import OutgoingBatch
from shared.bus.producer import make_producer as producer
from shared.log import Log
from shared.log.following import follow
from shared.runtime.errors import is_transient
from shared.runtime.postgres import session
from shared.runtime.runtime import Runtime
from shared.runtime.waiting import sleep_until_stopped

log = structlog.get_logger()
relayed = Counter("modelog_relayed", "Facts acknowledged by Kafka")
behind = Gauge("modelog_relay_lag", "Positions settled and not yet acknowledged by Kafka")

# One relay in a database speaks; the others stand by and take over when its connection ends.
LOCK = 24302
STAND_BY = 0.5
PARTITIONS_EVERY = 60.0
LATE = 10.0
"""Seconds that Kafka has to acknowledge a page; an idempotent producer would wait for ever, and nobody would know."""

MOST = 4_000
"""Facts that are under way at a time; fewer after Kafka was late. A hundred partitions share them: of 1,000 facts each
got a batch of ten, and Kafka spent 10 µs on a fact instead of 5."""
ENOUGH = 16 * 1024 * 1024
"""Bytes after which no more facts are added to those under way."""
READ = 1_000
"""Facts that are read at a time."""
RANGE = 10 * MOST
"""Positions between two looks at whether to stop."""

FACTS = """
select position, stream, kind, id, at, data ->> 'version', data::text, meta::text
  from log.event
 where position > $1 and position <= $2
 order by position
 limit $3
"""
CURSOR = "select position from log.cursor where follower = 'relay'"
RAISE = """
insert into log.cursor (follower, position) values ('relay', $1)
on conflict (follower) do update set position = excluded.position
"""


class Relay:
    """Sends every settled fact to the topic of its kind, at least once, those of a model in order."""

    name = "relay"

    def __init__(self) -> None:
        self.most = READ

    def describe(self) -> dict[str, str]:
        return {"hears": "the log", "says": "every fact, on its topic"}

    async def run(self, process: Runtime) -> None:
        """Relay until the process stops; after any fault, begin again from the cursor with a new producer."""
        while not process.stopping.is_set():
            try:
                async with session(process.pool) as connection:
                    # A cursor that is lost in a crash of Postgres costs a repeat, and no wait for the disk.
                    await connection.execute("set synchronous_commit = off")
                    if await connection.fetchval("select pg_try_advisory_lock($1)", LOCK):
                        await self._speak(process, connection)
                    else:
                        process.health.report(self.name, True, "standing by, another relay speaks")
                        await sleep_until_stopped(process.stopping, STAND_BY)
            except Exception as error:
                if not is_transient(error):
                    raise
                process.health.report(self.name, False, f"interrupted: {error}")
                log.warning("interrupted", service=self.name, error=repr(error))
                await sleep_until_stopped(process.stopping, STAND_BY)

    async def _speak(self, process: Runtime, connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record]) -> None:
        cursor = await connection.fetchval(CURSOR) or 0
        out = producer(process.settings.kafka_servers)
        prefix = process.settings.topic_prefix

        async def read(after: int, upto: int) -> OutgoingBatch:
            page, found = OutgoingBatch(out, prefix, after), READ
            async with asyncio.timeout(LATE):
                while found == READ and page.count < self.most and page.bytes < ENOUGH:
                    facts = await connection.fetch(FACTS, page.last, upto, min(READ, self.most - page.count))
                    await page.add(facts)
                    found = len(facts)
            return page

        async def send(after: int, upto: int) -> None:
            page = await read(after, upto)
            while page.count:
                behind.set(upto - page.first)
                try:
                    async with asyncio.timeout(LATE):
                        await page.send()
                        # The next page is read while Kafka writes this one.
                        following = await read(page.last, upto)
                        await asyncio.gather(*page.sent)
                except TimeoutError:
                    self.most = max(1, self.most // 2)
                    raise
                finally:
                    page.drop()
                await connection.execute(RAISE, page.last)
                self.most = min(MOST, self.most * 2)
                relayed.inc(page.count)
                page = following
            behind.set(0)

        extending = asyncio.create_task(_keep_room(Log(process.pool)))
        try:
            await out.start()
            log.info("speaking", service=self.name, position=cursor)
            process.health.report(self.name, True, f"speaking since position {cursor}")
            await follow(Log(process.pool), cursor, send, process.stopping, most=RANGE)
        finally:
            extending.cancel()
            await close_producer(out)


async def _keep_room(facts: Log) -> None:
    """Make the log's next partition long before it is needed."""
    while True:
        try:
            await facts.pool.execute("select log.extend()")
        except Exception as error:
            log.warning("no room was made in the log, trying again", error=repr(error))
        await asyncio.sleep(PARTITIONS_EVERY)


service = Relay()
