"""What was parked, and why; and how to send it again once its reason is gone. `make parked` runs it."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError

from shared.bus.dead_letters import HEADER_PREFIX as PREFIX
from shared.bus.producer import make_producer as producer
from shared.bus.topics import PARKED
from shared.runtime.settings import Settings, settings

WITHOUT = "without its value"
# A record with this header says that the one it names was sent again.
SENT = f"{PREFIX}sent"


@dataclass(frozen=True)
class Parked:
    """A record as it came, where it came from, and the reason that it was not answered."""

    id: str
    topic: str
    service: str
    at: str
    reason: str
    record: ConsumerRecord[Any, Any]

    @property
    def cut(self) -> bool:
        """Whether it was too large to be copied, so that only its place is known."""
        return f"; parked {WITHOUT}, for" in self.reason

    def __str__(self) -> str:
        value = (self.record.value or b"")[:80].decode("utf-8", "replace")
        return f"{self.id}  {self.at}  {self.service}\n    {self.reason}\n    {value!r}"


async def parked(told: Settings) -> list[Parked]:
    """Everything that waits in `parked`, oldest first, each once."""
    found: dict[str, Parked] = {}
    sent: set[str] = set()
    for record in await _everything(told):
        headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
        if SENT in headers:
            sent.add(headers[SENT])
        elif f"{PREFIX}topic" in headers:
            service, topic, partition, offset, at, reason = (
                headers.get(PREFIX + name, "") for name in ("service", "topic", "partition", "offset", "at", "reason")
            )
            id = f"{topic}/{partition}/{offset}/{service}"
            found.setdefault(id, Parked(id, topic, service, at, reason, record))
    return sorted((one for id, one in found.items() if id not in sent), key=lambda one: one.at)


async def send_again(told: Settings, chosen: Sequence[Parked]) -> None:
    """Send each to the topic it came from, as it came, and cross it off."""
    out = producer(told.kafka_servers)
    await out.start()
    try:
        for one in chosen:
            headers = [(name, value) for name, value in one.record.headers if not name.startswith(PREFIX)]
            await out.send_and_wait(one.topic, one.record.value, key=one.record.key, headers=headers)
            await out.send_and_wait(told.topic_prefix + PARKED, key=SENT.encode(), headers=[(SENT, one.id.encode())])
    finally:
        await out.stop()


async def _everything(told: Settings) -> list[ConsumerRecord[Any, Any]]:
    consumer = AIOKafkaConsumer(
        told.topic_prefix + PARKED,
        bootstrap_servers=told.kafka_servers,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        partitions = list(consumer.assignment())
        ends = await consumer.end_offsets(partitions)
        records: list[ConsumerRecord[Any, Any]] = []
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                records += batch
        return records
    finally:
        await consumer.stop()


async def run(told: Settings, ids: Sequence[str], everything: bool) -> None:
    """List what is parked; or send again what is named, or all."""
    waiting = await parked(told)
    if not ids and not everything:
        for one in waiting:
            print(one)
        print(f"{len(waiting)} parked." + (" Send again with `--send ID …` or `--send-all`." if waiting else ""))
        return
    known = {one.id: one for one in waiting}
    if unknown := [id for id in ids if id not in known]:
        sys.exit(f"Nothing is parked under {', '.join(unknown)}: list what is with `make parked`.")
    chosen = waiting if everything else [known[id] for id in ids]
    whole = [one for one in chosen if not one.cut]
    await send_again(told, whole)
    print(f"Sent {len(whole)} again.")
    if cut := [one.id for one in chosen if one.cut]:
        sys.exit(f"Not sent, for they were parked {WITHOUT}: {', '.join(cut)}. Take them from where they stand.")


def main() -> None:
    """Read the arguments, and end with a sentence when Kafka does not answer."""
    parser = argparse.ArgumentParser(prog="python -m operations parked", description=__doc__)
    parser.add_argument("--send", nargs="+", metavar="ID", default=[], help="send these again")
    parser.add_argument("--send-all", action="store_true", help="send all of them again")
    asked = parser.parse_args()
    try:
        asyncio.run(run(settings(), asked.send, asked.send_all))
    except (KafkaError, OSError) as error:
        sys.exit(f"Kafka does not answer at {settings().kafka_servers} ({error}): start it with `make up`.")
