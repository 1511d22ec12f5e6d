"""List what was parked, and why; send it again once the reason is gone. `make parked` runs it."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord

from shared.bus.dead_letters import CUT
from shared.bus.dead_letters import HEADER_PREFIX as PREFIX
from shared.bus.producer import make_producer
from shared.bus.topics import PARKED
from shared.runtime.settings import Settings, settings

Headers = Sequence[tuple[str, bytes | None]]

SENT = f"{PREFIX}sent"
"""The only header of a record that marks a parked record, whose id is the header's value, as sent again."""
FIRST = f"{PREFIX}service"
"""The first of the headers that parking adds."""
CUT_BEFORE_ITS_HEADER = "; parked without its value, for it is too large to be copied"
"""Ends the reason of a record that a version without the header `parked_cut` parked without its value."""


@dataclass(frozen=True)
class Parked:
    """A parked record: the topic it came from, who parked it and when (ISO 8601), the reason, and what was parked.

    `key`, `value` and `headers` are the record's own. `cut`: the value and the headers were not copied.
    """

    id: str
    topic: str
    service: str
    at: str
    reason: str
    cut: bool
    key: bytes | None
    value: bytes | None
    headers: Headers

    def __str__(self) -> str:
        value = (self.value or b"")[:80].decode("utf-8", "replace")
        return f"{self.id}  {self.at}  {self.service}\n    {self.reason}\n    {value!r}"


async def parked(settings: Settings) -> list[Parked]:
    """Every record in `parked` that was not sent again, oldest first, each once."""
    found: dict[str, Parked] = {}
    sent: set[str] = set()
    for record in await _everything(settings):
        names = [name for name, _ in record.headers]
        if FIRST in names:
            parked = _parsed(record, len(names) - 1 - names[::-1].index(FIRST))
            found.setdefault(parked.id, parked)
        elif SENT in names:
            sent.add(_text(dict(record.headers)[SENT]))
    return sorted((parked for id, parked in found.items() if id not in sent), key=lambda parked: parked.at)


def _parsed(record: ConsumerRecord[Any, Any], own: int) -> Parked:
    """The record whose first `own` headers are its own; it may have come with headers named like parking's."""
    added = {name.removeprefix(PREFIX): _text(value) for name, value in record.headers[own:]}
    topic, partition, offset, service, at, reason = (
        added.get(name, "") for name in ("topic", "partition", "offset", "service", "at", "reason")
    )
    return Parked(
        id=f"{topic}/{partition}/{offset}/{service}",
        topic=topic,
        service=service,
        at=at,
        reason=reason,
        cut=CUT.removeprefix(PREFIX) in added or reason.endswith(CUT_BEFORE_ITS_HEADER),
        key=record.key,
        value=record.value,
        headers=record.headers[:own],
    )


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


async def send_again(settings: Settings, chosen: Sequence[Parked]) -> None:
    """Send each to the topic it came from, with its own key, value and headers, and mark it as sent."""
    out = make_producer(settings.kafka_servers)
    try:
        await out.start()
        for record in chosen:
            await out.send_and_wait(record.topic, record.value, key=record.key, headers=list(record.headers))
            mark = [(SENT, record.id.encode())]
            await out.send_and_wait(settings.topic_prefix + PARKED, key=SENT.encode(), headers=mark)
    finally:
        await out.stop()


async def _everything(settings: Settings) -> list[ConsumerRecord[Any, Any]]:
    consumer = AIOKafkaConsumer(
        settings.topic_prefix + PARKED,
        bootstrap_servers=settings.kafka_servers,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    try:
        await consumer.start()
        ends = await consumer.end_offsets(consumer.assignment())
        records: list[ConsumerRecord[Any, Any]] = []
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                records += batch
        return records
    finally:
        await consumer.stop()


async def run(settings: Settings, ids: Sequence[str], everything: bool) -> None:
    """List what is parked, or send the named records again, or all."""
    waiting = await parked(settings)
    if not ids and not everything:
        for record in waiting:
            print(record)
        print(f"{len(waiting)} parked." + (" Send again with `--send ID …` or `--send-all`." if waiting else ""))
        return
    known = {record.id: record for record in waiting}
    if unknown := [id for id in ids if id not in known]:
        sys.exit(f"Nothing is parked under {', '.join(unknown)}: `make parked` lists the ids.")
    chosen = waiting if everything else [known[id] for id in ids]
    whole = [record for record in chosen if not record.cut]
    await send_again(settings, whole)
    print(f"Sent {len(whole)} again.")
    if cut := [record.id for record in chosen if record.cut]:
        sys.exit(f"Not sent, because they were parked without their value: {', '.join(cut)}. Read them in their topic.")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m operations parked", description=__doc__)
    parser.add_argument("--send", nargs="+", metavar="ID", default=[], help="send these again")
    parser.add_argument("--send-all", action="store_true", help="send all of them again")
    arguments = parser.parse_args()
    asyncio.run(run(settings(), arguments.send, arguments.send_all))
