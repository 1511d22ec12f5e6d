"""Reading a page of the log: bounded in facts and in bytes, and smaller after Kafka or Postgres was late."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

import asyncpg

from services.relay.outgoing_batch import OutgoingBatch

READ_TIMEOUT_SECONDS = 10.0
"""For a page."""
MAX_FACTS_IN_FLIGHT = 4_000
"""Facts in a page. A hundred partitions share them: of 1,000 facts each partition got ten, and Kafka spent 10 µs on a
fact instead of 5."""
MAX_BYTES_IN_FLIGHT = 16 * 1024 * 1024
"""Of the text of facts, in the two pages that are in memory: Kafka writes the first while the second is read. A page
may exceed its half by a fact, because a page of a single fact must be possible."""
MIN_PAGE_BYTES = 64 * 1024
FACTS_PER_READ = 1_000

PAGE = "select * from log.page($1, $2, $3, $4, $5, $6)"


@dataclass
class PageSize:
    """What a page may have: half as much after each time-out, also after a new producer."""

    max_facts: int = FACTS_PER_READ
    max_bytes: int = MAX_BYTES_IN_FLIGHT // 2

    def acknowledged(self) -> None:
        self.max_facts = min(MAX_FACTS_IN_FLIGHT, self.max_facts * 2)
        self.max_bytes = min(MAX_BYTES_IN_FLIGHT // 2, self.max_bytes * 2)

    def late(self) -> None:
        self.max_facts = max(1, self.max_facts // 2)
        self.max_bytes = max(MIN_PAGE_BYTES, self.max_bytes // 2)


async def read_page(
    connection: asyncpg.Connection,
    page: OutgoingBatch,
    upto: int,
    size: PageSize,
    *,
    only: Collection[str] | None = None,
    without: Collection[str] = (),
) -> OutgoingBatch:
    """The page with the facts behind it up to `upto`, of these kinds; raise TimeoutError."""
    bytes_left = size.max_bytes
    kinds = None if only is None else list(only)
    async with asyncio.timeout(READ_TIMEOUT_SECONDS):
        while bytes_left > 0 and page.count < size.max_facts:
            limit = min(FACTS_PER_READ, size.max_facts - page.count)
            facts = await connection.fetch(PAGE, page.last, upto, limit, bytes_left, kinds, list(without))
            page.add(facts)
            bytes_left = facts[-1]["bytes_left"] if facts else bytes_left
            if len(facts) < limit and bytes_left > 0:
                return page
    page.is_full = True
    return page
