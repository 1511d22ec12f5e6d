"""List what was parked, and why, the newest first; send it again once the reason is gone. `make parked` runs it.

Anybody who can write to the topic `parked` can make an entry, so each is compared with the record that it names, and
what is sent again is that record.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from operations.parked_list import COUNT, NEWEST_NUMBER, newest, oldest, unread
from operations.resending import NotSent, Resender
from operations.terminal import complain, say
from shared.bus.originals import Originals, originals
from shared.bus.parked_records import Place
from shared.bus.producer import make_producer
from shared.runtime.settings import Settings, settings

PAGE_ENTRIES = 100
PROGRESS_RECORDS = 500


@dataclass(frozen=True)
class Servers:
    """The connections of a command."""

    settings: Settings
    kafka: Originals
    connection: asyncpg.Connection


@asynccontextmanager
async def servers(settings: Settings) -> AsyncIterator[Servers]:
    """Kafka, and Postgres as its owner, for the time of the block."""
    async with originals(settings) as kafka:
        connection = await asyncpg.connect(**settings.postgres_owner)
        try:
            yield Servers(settings, kafka, connection)
        finally:
            await connection.close()


async def waiting(settings: Settings) -> int:
    """The number of records that are parked and were not sent again."""
    async with servers(settings) as opened:
        count: int = await opened.connection.fetchval(COUNT)
        return count + await unread(settings, opened.kafka)


async def show(opened: Servers, limit: int = PAGE_ENTRIES, after: int = NEWEST_NUMBER) -> None:
    """Print the entries behind that number, at most so many, and how many there are."""
    page = await newest(opened.connection, after, limit)
    for parked in page:
        for line in await parked.lines(opened.kafka):
            say(line)
    count = await opened.connection.fetchval(COUNT)
    say(f"{count} parked." + (" Send again with `--send ID …` or `--send-all`." if count else ""))
    if len(page) == limit and await newest(opened.connection, page[-1].number, 1):
        say(f"The next page: `--after {page[-1].number}`.")
    if behind := await unread(opened.settings, opened.kafka):
        say(f"{behind} records of the topic are not listed yet: the service `parked` has not read them.")


async def send_again(opened: Servers, places: Iterable[str]) -> int:
    """Send the records of these places again; return how many were not sent, each with a sentence."""
    refused = 0
    async with _resender(opened) as resender:
        for text in places:
            try:
                if (place := Place.parse(text)) is None:
                    raise NotSent("this is no id: `make parked` lists the ids")
                await resender.send(place)
            except NotSent as sentence:
                refused += 1
                complain(f"{text} is not sent: {sentence}.")
            else:
                say(f"{text} is sent again.")
    return refused


async def send_all(opened: Servers) -> int:
    """The same for every record that is listed now."""
    sent, refused = 0, 0
    async with _resender(opened) as resender:
        async for page in oldest(opened.connection):
            for place in dict.fromkeys(parked.place for parked in page):
                try:
                    await resender.send(place)
                except NotSent as sentence:
                    refused += 1
                    complain(f"{place} is not sent: {sentence}.")
                else:
                    sent += 1
                    if sent % PROGRESS_RECORDS == 0:
                        say(f"{sent} are sent again so far.")
    say(f"Sent {sent} again.")
    return refused


@asynccontextmanager
async def _resender(opened: Servers) -> AsyncIterator[Resender]:
    producer = make_producer(opened.settings.kafka)
    try:
        await producer.start()
        yield Resender(opened.connection, opened.kafka, producer, opened.settings.topic_prefix)
    finally:
        await producer.stop()


async def run(settings: Settings, ids: Sequence[str], everything: bool, limit: int, after: int) -> int:
    """List what is parked, or send the named records again, or all."""
    async with servers(settings) as opened:
        if everything:
            return min(1, await send_all(opened))
        if ids:
            return min(1, await send_again(opened, ids))
        await show(opened, limit, after)
        return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m operations parked", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--limit", type=_positive, default=PAGE_ENTRIES, help=f"list so many, {PAGE_ENTRIES} by default"
    )
    parser.add_argument("--after", type=_positive, default=NEWEST_NUMBER, metavar="NUMBER", help="list the page after")
    parser.add_argument("--send", nargs="+", metavar="ID", default=[], help="send these again")
    parser.add_argument("--send-all", action="store_true", help="send all of them again")
    arguments = parser.parse_args()
    return asyncio.run(run(settings(), arguments.send, arguments.send_all, arguments.limit, arguments.after))


def _positive(text: str) -> int:
    number = int(text)
    if not 0 < number <= NEWEST_NUMBER:
        raise ValueError
    return number
