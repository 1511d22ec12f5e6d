"""Facts that Kafka has and the log lost."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
from modelog.events import BY_TYPE, Fact

from operations.epochs import FIRST_EPOCH
from shared.bus.originals import Originals, Record

IDS = "select position, id::text from log.event where position = any ($1::bigint[])"
PAGE_FACTS = 500
MAX_CHARS = 200
"""Of each header that is shown."""


@dataclass(frozen=True)
class Published:
    """A record on a topic of facts: what its headers say, and where it is."""

    kind: str
    subject: str
    id: str
    time: str
    epoch: int
    sequence: int | None
    place: str

    @classmethod
    def of(cls, record: Record, kind: str) -> Published:
        headers = {name.lower(): value or b"" for name, value in record.headers}
        subject, id, time, epoch, sequence = (
            headers.get(f"ce_{name}", b"").decode("utf-8", "replace")[:MAX_CHARS]
            for name in ("subject", "id", "time", "epoch", "sequence")
        )
        place = f"{record.topic}/{record.partition}/{record.offset}"
        return cls(kind, subject, id, time, _whole(epoch) or FIRST_EPOCH, _whole(sequence), place)

    def __str__(self) -> str:
        position = f"position {self.sequence} in epoch {self.epoch}"
        return f"{self.kind} of {self.subject}, {position}, id {self.id}, {self.time}, at {self.place}"


async def published_since(kafka: Originals, topic_prefix: str, time_ms: int) -> AsyncIterator[list[Published]]:
    """The records on all topics of facts that are not older, page by page."""
    for kind, event in BY_TYPE.items():
        if not issubclass(event, Fact):
            continue
        for at, offset in (await kafka.since(topic_prefix + kind, time_ms)).items():
            page: list[Published] = []
            async for record in kafka.read_on(at, offset):
                page.append(Published.of(record, kind))
                if len(page) == PAGE_FACTS:
                    yield page
                    page = []
            if page:
                yield page


async def lost(connection: asyncpg.Connection, page: list[Published]) -> list[Published]:
    """Those that the log does not have, each once."""
    positions = [fact.sequence for fact in page if fact.sequence is not None]
    logged = set(map(tuple, await connection.fetch(IDS, positions)))
    return list({fact.id: fact for fact in page if (fact.sequence, fact.id) not in logged}.values())


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
