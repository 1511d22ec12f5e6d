"""What became of a message: the facts that answer it, or that it was parked, when and why."""

from __future__ import annotations

import argparse
import asyncio
import json
from uuid import UUID

import asyncpg
from modelog.envelope import cause_of

from operations.parked import Servers, servers
from operations.parked_list import OF_CAUSE, Parked, unread
from operations.terminal import complain, say
from shared.runtime.settings import Settings, settings

# Sorted outside, so that the index on the cause is used, whatever the statistics are.
ANSWERS = """
select * from (
       select position, stream, version, kind, at, data::text as data, meta ->> 'source' as source
         from log.event where (meta ->> 'cause')::uuid = $1 offset 0
       ) answer
 order by position limit 100
"""
CONFLICTS = """
select position, stream, version, kind, at, data::text as data, meta ->> 'source' as source
  from log.event
 where stream = any ($1) and kind = 'message.conflicted'
   and data ->> 'message_source' = $2 and data ->> 'message_id' = $3
 order by position limit 100
"""
UNKNOWN = """\
No fact names it as its cause, and it was not parked under this source and id. Then one of these is true:
  it is not on Kafka: the publisher had no acknowledgement, or used another server, prefix or topic
  it waits: /readyz and the metric modelog_lag show which service is behind
  it was answered by nothing, because what it reports or asks for was already so
  it was parked without a readable source and id: `python -m operations parked` lists it by its place
  its answer was lost with commits of Postgres: see `python -m operations restored`"""


async def became(opened: Servers, cause: UUID, source: str | None = None, id: str | None = None) -> bool:
    """Print what became of the message with this cause; return whether anything is known."""
    answers = await opened.connection.fetch(ANSWERS, cause)
    for answer in answers:
        say(f"Answered by {_fact(answer)}")
    if source is not None:
        streams = list({answer["stream"] for answer in answers})
        for conflict in await opened.connection.fetch(CONFLICTS, streams, source, id):
            say(f"Another message came with its source and id: {_fact(conflict)}")
    parked = [Parked.of(row) for row in await opened.connection.fetch(OF_CAUSE, cause)]
    for record in parked:
        say(f"Parked by {record.place.service} at {record.at.isoformat(timespec='seconds')}:")
        for line in await record.lines(opened.kafka):
            say(f"  {line}")
    if not answers and not parked:
        for line in UNKNOWN.splitlines():
            say(line)
    if behind := await unread(opened.settings, opened.kafka):
        say(f"{behind} parked records are not known yet: the service `parked` has not read them.")
    return bool(answers or parked)


def _fact(row: asyncpg.Record) -> str:
    """The fact in a line: what it is, about which version, when, where in the log, and why."""
    data = json.loads(row["data"])
    about = "/".join(str(part) for part in (row["stream"], data.get("version")) if part is not None)
    reasons = f": {', '.join(map(str, data['reasons']))}" if data.get("reasons") else ""
    sentence = f" ({data['sentence']})" if data.get("sentence") else ""
    place = f"position {row['position']}, {row['source']}, {row['at'].isoformat(timespec='seconds')}"
    return f"{row['kind']} of {about}, {place}{reasons}{sentence}"


async def run(settings: Settings, cause: UUID, source: str | None = None, id: str | None = None) -> int:
    """Print what became of it; 1 if nothing is known."""
    async with servers(settings) as opened:
        return 0 if await became(opened, cause, source, id) else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m operations message", description=__doc__)
    parser.add_argument("source", nargs="?", metavar="SOURCE", help="`ce_source` of the message")
    parser.add_argument("id", nargs="?", metavar="ID", help="`ce_id` of the message")
    parser.add_argument("--cause", type=UUID, metavar="UUID", help="the cause of its answers, instead of both")
    arguments = parser.parse_args()
    if arguments.cause is None and arguments.id is None:
        parser.error("name the message's source and id, or its cause")
    if arguments.cause is not None and arguments.source is not None:
        complain("The source is not needed beside a cause.")
        return 2
    cause = arguments.cause or cause_of(arguments.source, arguments.id)
    return asyncio.run(run(settings(), cause, arguments.source, arguments.id))
