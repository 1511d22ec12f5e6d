"""Reading the topic `parked`. Anybody may have written there: nothing is believed before the original was compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from aiokafka import ConsumerRecord, TopicPartition
from modelog.envelope import cause_of
from modelog.modes import source_and_id

from shared.bus.dead_letters import CUT, HEADER_PREFIX

Headers = Sequence[tuple[str, bytes | None]]

FIRST = f"{HEADER_PREFIX}service"
"""The first of the headers that parking adds."""
CUT_BEFORE_ITS_HEADER = "; parked without its value, for it is too large to be copied"
"""Ends the reason of a record that a version without the header `parked_cut` parked without its value."""
SENT = f"{HEADER_PREFIX}sent"
"""Key and only header of a record by which older versions marked a parked record, whose id is its value, as sent."""
MAX_REASON_CHARS = 10_000
PLACE = re.compile(r"([a-zA-Z0-9._-]{1,249})/([0-9]{1,9})/([0-9]{1,18})/([a-z0-9_-]{1,249})")


@dataclass(frozen=True)
class Place:
    """Where a record was when a service parked it; as text, `topic/partition/offset/service`."""

    topic: str
    partition: int
    offset: int
    service: str

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}/{self.service}"

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    @classmethod
    def parse(cls, text: str) -> Place | None:
        """The place that a text names, or None."""
        found = PLACE.fullmatch(text)
        return found and cls(found[1], int(found[2]), int(found[3]), found[4])


@dataclass(frozen=True)
class ParkedRecord:
    """What a record of the topic `parked` says: where the original was, who parked it and when, and why.

    `cause`, `source` and `message_id` are those of the message, as far as it has them. `digest` is that of the
    original; None if the record was too large to be copied.
    """

    place: Place
    at: datetime
    reason: str
    source: str | None
    message_id: str | None
    cause: UUID | None
    digest: bytes | None

    @property
    def id(self) -> UUID:
        """A name that only the same record of the topic has."""
        parts = (str(self.place), self.reason, self.source, self.message_id, self.digest and self.digest.hex())
        return UUID(bytes=sha256(json.dumps(parts).encode()).digest()[:16])


def digest_of(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> bytes:
    """The sha256 of a record; a copy that was parked has the digest of its original.

    Headers that are named like those of parking do not count: they are not copied. Nor does it matter whether a value
    is null or empty.
    """
    own = [(name, None if text is None else text.hex()) for name, text in headers if not is_parkings(name)]
    content = json.dumps([None if key is None else key.hex(), own]).encode()
    return sha256(content + b"\n" + (value or b"")).digest()


def original_of(record: ConsumerRecord[Any, Any]) -> tuple[str, int, int, bytes]:
    """Topic, partition, offset and digest of a record."""
    return record.topic, record.partition, record.offset, digest_of(record.key, record.value, record.headers)


def is_parkings(header: str) -> bool:
    """Whether this name belongs to the headers that parking adds."""
    return header.lower().startswith(HEADER_PREFIX)


def read_parked(record: ConsumerRecord[Any, Any]) -> ParkedRecord | None:
    """What a record of the topic says, or None if it says nothing that parking says."""
    names = [name for name, _ in record.headers]
    if FIRST not in names:
        return None
    own = len(names) - 1 - names[::-1].index(FIRST)  # a record may come with headers named like those of parking
    added = {name.removeprefix(HEADER_PREFIX): _text(text) for name, text in record.headers[own:]}
    topic, partition, offset, service, at, reason = (
        added.get(name, "") for name in ("topic", "partition", "offset", "service", "at", "reason")
    )
    place, time = Place.parse(f"{topic}/{partition}/{offset}/{service}"), _time(at)
    if place is None or time is None:
        return None
    cut = CUT.removeprefix(HEADER_PREFIX) in added or reason.endswith(CUT_BEFORE_ITS_HEADER)
    headers = record.headers[:own]
    source, message_id = (None if cut else source_and_id(record.value, headers)) or (None, None)
    return ParkedRecord(
        place,
        time,
        reason[:MAX_REASON_CHARS],
        source,
        message_id,
        cause_of(source, message_id) if source and message_id else None,
        None if cut else digest_of(record.key, record.value, headers),
    )


def read_mark(record: ConsumerRecord[Any, Any]) -> Place | None:
    """The place that a mark of an older version names, or None if the record is no mark."""
    match record.headers:
        case [(name, id)] if name == SENT and record.key == SENT.encode() and not record.value:
            return Place.parse(_text(id))
        case _:
            return None


def _text(value: bytes | None) -> str:
    """Text that Postgres can store."""
    return (value or b"").decode("utf-8", "replace").replace("\0", "\ufffd")


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None
