"""After a failover or a restore of Postgres that lost commits: run it once, as the owner, before the services start.

Raises the log's epoch, because positions of facts that were lost are given out again. Moves the groups of the services
back to the time of the last fact less a margin: what was answered is recognised, what was lost is answered again. Lists
the facts that Kafka has and the log lost. Safe to repeat.
"""

from __future__ import annotations

import argparse
import asyncio
from datetime import timedelta

from operations.epochs import End, raise_epoch
from operations.lost_facts import lost, published_since
from operations.parked import Servers, servers
from operations.rewinding import described, groups
from operations.terminal import complain, say
from shared.runtime.settings import Settings, settings

CONNECTED = """
select count(*) from pg_stat_activity
 where datname = current_database() and application_name = 'modelog' and pid <> pg_backend_pid()
"""
MARGIN_MINUTES = 10.0
LIMIT = 1000
PROGRESS_FACTS = 100_000
NEXT = """\
Next: `python -m operations setup` if topics are missing, then start the services. The relay fills topics that were made
again; the services answer what the log lost, as far as Kafka still has the reports and requests. Readers of facts go
by (epoch, sequence). `python -m operations rebuild` compares the views with the log."""


async def restored(opened: Servers, margin: timedelta | None, limit: int = LIMIT) -> bool:
    """Do it and print what was done, without a margin from the beginning; False, with a sentence, if services run."""
    connection, kafka = opened.connection, opened.kafka
    async with groups(opened.settings) as found:
        if members := await found.members():
            complain(
                f"Services still run: {described(members)}. Stop all of them, everywhere, and run this again; "
                "Kafka forgets a process that was killed after 10 seconds."
            )
            return False
        if connected := await connection.fetchval(CONNECTED):
            complain(f"{connected} connections of services to this database are open: stop the services first.")
            return False
        end = await End.of(connection)
        since = max(0, int((end.at - margin).timestamp() * 1000)) if end.at and margin is not None else 0
        published, count = await _list_lost(opened, end, since, limit)
        epoch = end.next_epoch(published)
        if epoch is not None:
            await raise_epoch(connection, end, epoch)
        say(f"The log ends at position {end.position}; behind it the epoch is {epoch or end.epoch}.")
        for name, records in (await found.rewind(kafka, since)).items():
            say(f"{name} reads {records} records again.")
        say(f"{count} facts on Kafka are not in the log: lost, or written by a stranger.")
        for line in NEXT.splitlines():
            say(line)
        return True


async def _list_lost(opened: Servers, end: End, since_ms: int, limit: int) -> tuple[int, int]:
    """Print the first `limit` facts that the log lost; return the highest epoch on Kafka, and their number."""
    epoch, read, count = 0, 0, 0
    async for page in published_since(opened.kafka, opened.settings.topic_prefix, since_ms):
        epoch = max([epoch, *(fact.epoch for fact in page if end.is_plausible(fact.epoch))])
        for fact in await lost(opened.connection, page):
            count += 1
            if count <= limit:
                say(f"Not in the log: {fact}")
        if (read + len(page)) // PROGRESS_FACTS > read // PROGRESS_FACTS:
            say(f"{read + len(page)} facts on Kafka are compared so far.")
        read += len(page)
    if count > limit:
        say(f"And {count - limit} more.")
    return epoch, count


async def run(settings: Settings, margin: timedelta | None, limit: int) -> int:
    """1 while services run."""
    async with servers(settings) as opened:
        return 0 if await restored(opened, margin, limit) else 1


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m operations restored",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="The margin is to be longer than the longest time that a report waited for its answer, and than clocks "
        "of publishers are wrong.",
    )
    parser.add_argument("--margin", type=float, metavar="MINUTES", default=MARGIN_MINUTES, help="10 by default")
    parser.add_argument("--everything", action="store_true", help="read every topic again from its beginning")
    parser.add_argument(
        "--limit", type=int, metavar="N", default=LIMIT, help=f"list so many lost facts; {LIMIT} by default"
    )
    arguments = parser.parse_args()
    margin = None if arguments.everything else timedelta(minutes=arguments.margin)
    return asyncio.run(run(settings(), margin, arguments.limit))
