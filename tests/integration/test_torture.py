"""A reader that follows the log skips nothing, sees nothing twice and every stream in order, whatever writers do."""

import asyncio
import random
from collections import Counter

import asyncpg

from shared.log import Append, Log
from shared.log.following import Ranges, follow
from tests.appends import entry

WRITERS = 10
FACTS = 20_000
STREAMS = 30
LAST_STREAM = "last"


async def write(log: Log, seed: int, enough: asyncio.Event) -> None:
    """Append to random streams; sometimes wait before the commit, or roll back."""
    dice = random.Random(seed)
    versions = Counter[str]()
    while not enough.is_set():
        names = dice.sample(range(STREAMS), dice.randint(1, 4))
        appends = [
            Append(f"s{name}", versions[f"s{name}"], [entry(f"s{name}") for _ in range(dice.randint(1, 8))])
            for name in names
        ]
        async with log.pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            # The transaction gets its id long before it draws a position.
            if dice.random() < 0.3:
                await connection.execute("select pg_current_xact_id()")
                await asyncio.sleep(dice.random() * 0.01)
            accepted = await Log(connection).append(appends)  # a connection fetches as a pool does
            if dice.random() < 0.2:
                await asyncio.sleep(dice.random() * 0.03)
            if dice.random() < 0.1:
                await transaction.rollback()
                continue
            await transaction.commit()
        for append in appends:
            if append.stream in accepted:
                versions[append.stream] = accepted[append.stream].version
            else:
                head = await log.pool.fetchval("select version from log.stream where stream = $1", append.stream)
                versions[append.stream] = head or 0


async def test_a_follower_sees_every_fact_once_and_in_order_while_transactions_overlap_wait_and_roll_back(
    log: Log, database: str
) -> None:
    seen: list[tuple[int, str, int]] = []
    enough, done = asyncio.Event(), asyncio.Event()
    reader = await asyncpg.connect(database)

    async def read(after: int, upto: int) -> None:
        rows = await reader.fetch(
            "select position, stream, version from log.event where position > $1 and position <= $2 order by position",
            after,
            upto,
        )
        seen.extend(tuple(row) for row in rows)
        if len(seen) >= FACTS:
            enough.set()
        if any(stream == LAST_STREAM for _, stream, _ in seen[-len(rows) :]):
            done.set()

    following = asyncio.create_task(follow(log, Ranges(0, read), done))
    await asyncio.wait_for(asyncio.gather(*(write(log, seed, enough) for seed in range(WRITERS))), 120)
    await log.append([Append(LAST_STREAM, 0, [entry(LAST_STREAM)])])
    await asyncio.wait_for(following, 10)
    await reader.close()

    everything = [tuple(row) for row in await log.pool.fetch("select position, stream, version from log.event")]
    assert len(everything) >= FACTS
    assert sorted(seen) == sorted(everything), "skipped or doubled"
    assert [row[0] for row in seen] == sorted(row[0] for row in seen), "out of order"
    streams: dict[str, list[int]] = {}
    for _, stream, version in seen:
        streams.setdefault(stream, []).append(version)
    assert all(versions == list(range(1, len(versions) + 1)) for versions in streams.values()), "a stream out of order"
