"""CloudEvents 1.0 on Kafka: binary mode out, every form in.

Format: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md with the
extensions `partitionkey`, `sequence` (the log's position), `epoch` (of the log), `correlationid`, `causationid`,
`traceparent`, `actor` and `schemaversion` (of reports and requests; absent is 1).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from hashlib import sha1
from typing import Generic, TypeVar
from unicodedata import category

from modelog.contents import NOTHING, Notes, read_leniently, read_strictly
from modelog.digest import digests_of
from modelog.events import BY_TYPE, Event, Fact
from modelog.modes import (
    MAX_ATTRIBUTE_CHARS,
    MAX_EVENT_BYTES,
    MAX_FACT_BYTES,
    Unreadable,
    attribute_problem,
    content,
    time_of,
    too_large,
)
from modelog.untrusted import has_nul, is_deeper

__all__ = ["FIRST_EPOCH", "MAX_ATTRIBUTE_CHARS", "MAX_DEPTH", "MAX_EVENT_BYTES", "MAX_FACT_BYTES", "SCHEMA_VERSION"]
__all__ += ["Header", "Message", "Unreadable", "cause_of", "decode", "derive_id", "encode", "encode_binary", "subject"]

Header = tuple[str, bytes]
E = TypeVar("E", bound=Event, covariant=True)

MAX_DEPTH = 64
"""Of a report or a request: arrays and objects inside each other, with the event itself. States, pages and views of the
log put what they were sent into further objects, and pydantic reads 200 levels."""
SCHEMA_VERSION = 1
"""Of reports and requests as this code knows them; a new field raises it. It is sent as `schemaversion` from 2 on."""
FIRST_EPOCH = 1
"""Of facts that were published before there were epochs."""

# Version 5 and the variant of RFC 4122 in a UUID, and its other bits.
VERSION_BITS = 5 << 76 | 2 << 62
OTHER_BITS = ~(15 << 76 | 3 << 62)


@dataclass(frozen=True)
class Message(Generic[E]):
    """An event and its envelope.

    `source` is the system that reported the event, `actor` the person or system that made it happen, if it is known.
    An actor is an opaque id, never a name or an address: what is in the log cannot be erased. Publishers set it and it
    is not verified, so no decision may depend on it. `sequence` is the position of a fact in the log; a restored log
    gives positions out again, in another `epoch`, so facts are ordered by (epoch, sequence); without an epoch, it is 1.
    `notes` are what the record has and the event has not: metrics without a value, unknown fields of a newer sender.
    """

    event: E
    id: str
    source: str
    time: datetime | None = None
    sequence: int | None = None
    correlation: str | None = None
    causation: str | None = None
    traceparent: str | None = None
    actor: str | None = None
    epoch: int | None = None
    notes: Notes = NOTHING

    def __repr__(self) -> str:
        """Short, because notebooks show it: the fields have everything."""
        place = "" if self.sequence is None else f" sequence={self.sequence}"
        return f"Message({self.event.type} {subject(self.event)}{place})"

    @cached_property
    def cause(self) -> uuid.UUID:
        """The id of this message for its answers: in CloudEvents, source and id together are unique."""
        return cause_of(self.source, self.id)

    @property
    def digest(self) -> str:
        """The digest of its content: another message with its cause and another digest is a conflict."""
        return self._digests[0]

    @property
    def earlier_digest(self) -> str | None:
        """What older versions of modelog wrote as its digest, if that is another."""
        return self._digests[1]

    @cached_property
    def _digests(self) -> tuple[str, str | None]:
        return digests_of(self.event)


def cause_of(source: str, id: str) -> uuid.UUID:
    """The cause of the answers to the message that has this source and id."""
    # With a # in the source, the joined text would be that of another source and id too.
    if "#" in source:
        return derive_id(derive_id(uuid.NAMESPACE_URL, source), id)
    return derive_id(uuid.NAMESPACE_URL, f"{source}#{id}")


def derive_id(namespace: uuid.UUID, name: str) -> uuid.UUID:
    """The same as `uuid.uuid5`, in 1.4 µs instead of 2.9; a report needs four of them."""
    digest = sha1(namespace.bytes + name.encode(), usedforsecurity=False).digest()
    return uuid.UUID(int=int.from_bytes(digest[:16], "big") & OTHER_BITS | VERSION_BITS)


def subject(event: Event) -> str:
    """`fraud/7` for an event of a version, `fraud` for an event of a model."""
    version = getattr(event, "version", None)
    return event.model if version is None else f"{event.model}/{version}"


def encode_binary(
    type: str,
    value: bytes,
    *,
    id: str,
    source: str,
    subject: str,
    time: datetime,
    key: str,
    **extensions: str | int | None,
) -> tuple[bytes, bytes, list[Header]]:
    """The Kafka key, value and headers of an event in binary mode; extensions that are None are left out."""
    headers = [
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_type", type.encode()),
        ("ce_id", id.encode()),
        ("ce_source", source.encode()),
        ("ce_subject", subject.encode()),
        ("ce_time", time.astimezone(timezone.utc).isoformat().replace("+00:00", "Z").encode()),
        ("ce_partitionkey", key.encode()),
    ]
    headers += [(f"ce_{name}", str(value).encode()) for name, value in extensions.items() if value is not None]
    return key.encode(), value, headers


def encode(
    event: Event,
    *,
    source: str,
    id: str | uuid.UUID | None = None,
    time: datetime | None = None,
    actor: str | None = None,
    **extensions: str | int | None,
) -> tuple[bytes, bytes, list[Header]]:
    """The Kafka key, value and headers of `event`; raise ValueError if Kafka, the log or a header cannot hold it."""
    attributes = {"id": str(uuid.uuid4()) if id is None else id, "source": source, "actor": actor, **extensions}
    texts = {name: _attribute(name, value) for name, value in attributes.items() if value is not None}
    if SCHEMA_VERSION > 1 and not isinstance(event, Fact):
        texts["schemaversion"] = str(SCHEMA_VERSION)
    return encode_binary(
        event.type,
        _json(event),
        subject=subject(event),
        time=time or datetime.now(timezone.utc),
        key=event.model,
        **texts,
    )


def _attribute(name: str, value: str | int | uuid.UUID) -> str:
    """An attribute as text that every reader takes; raise ValueError if it has none."""
    text = str(value) if isinstance(value, (int, uuid.UUID)) else value
    if not isinstance(text, str):
        raise ValueError(f"expected text as {name}, found {type(value).__name__}: send text")
    if not text or len(text) > MAX_ATTRIBUTE_CHARS:
        raise ValueError(f"expected 1 to {MAX_ATTRIBUTE_CHARS} characters as {name}, found {len(text)}: change it")
    if wrong := [char for char in text if category(char) in ("Cc", "Cs")]:
        raise ValueError(f"expected {name} without control characters, found {wrong[0]!r} in {text[:60]!r}: remove it")
    return text


def _json(event: Event) -> bytes:
    if unknown := sorted(vars(event).keys() - type(event).model_fields.keys()):
        raise ValueError(f"{event.type} has the unknown field {unknown[0]}: remove it")
    try:
        value = event.model_dump_json().encode()
    except ValueError as error:
        raise ValueError(f"{event.type} cannot be written as JSON: {error}") from error
    if has_nul(value):
        raise ValueError(f"{event.type} contains the NUL character, which the log cannot store: remove it")
    if len(value) > MAX_EVENT_BYTES:
        raise ValueError(f"{event.type} is {len(value)} bytes of JSON, at most {MAX_EVENT_BYTES} are read: send less")
    if not isinstance(event, Fact) and is_deeper(value, MAX_DEPTH):
        raise ValueError(f"{event.type} has more than {MAX_DEPTH} levels of lists and objects: flatten it")
    return value


def decode(
    key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]], *, strict: bool = False
) -> Message[Event]:
    """The event in a Kafka record, in any form of CloudEvents; raise Unreadable with the reason if it is no event.

    Headers and attributes that are unknown are ignored. Optional attributes are cut to MAX_ATTRIBUTE_CHARS. Unknown
    fields are ignored too, but `strict` refuses them in a report or request whose schema version is not newer.
    """
    attributes: dict[str, str] = {}
    try:
        data = content(value, headers, attributes)
        event, notes = _event(attributes, data, strict)
        if key is not None and key != event.model.encode():
            raise Unreadable(
                f"expected the model {event.model!r} as the record's key, found {key[:60]!r}: "
                "the key orders the events of a model, send them with it"
            )
    except Unreadable as reason:
        if attribute_problem(attributes) is None:
            reason.cause = cause_of(attributes["source"], attributes["id"])
        raise
    return _message(event, attributes, notes)


def _event(attributes: dict[str, str], data: bytes, strict: bool) -> tuple[Event, Notes]:
    type = attributes.get("type")
    if not type:
        raise Unreadable("expected the event's type in the header `ce_type`, found none: send a CloudEvent")
    if type not in BY_TYPE:
        raise Unreadable(f"expected a type out of {', '.join(BY_TYPE)}, found {type[:60]!r}")
    is_fact = issubclass(BY_TYPE[type], Fact)
    if not is_fact:
        if len(data) > MAX_EVENT_BYTES:
            raise too_large(MAX_EVENT_BYTES, data)
        if is_deeper(data, MAX_DEPTH):
            raise Unreadable(f"expected at most {MAX_DEPTH} levels of lists and objects, found more: flatten it")
    if (problem := attribute_problem(attributes)) is not None:
        raise Unreadable(problem)
    if is_fact or not strict:
        return read_leniently(BY_TYPE[type], data)
    is_newer = "schemaversion" in attributes and _schema_version(attributes["schemaversion"]) > SCHEMA_VERSION
    return read_strictly(BY_TYPE[type], data, is_newer=is_newer)


def _schema_version(text: str) -> int:
    if (version := _whole(text)) is None or version == 0:
        raise Unreadable(f"expected a whole number from 1 on in `ce_schemaversion`, found {text[:60]!r}: leave it out")
    return version


def _message(event: Event, attributes: dict[str, str], notes: Notes) -> Message[Event]:
    return Message(
        event=event,
        id=attributes["id"],
        source=attributes["source"],
        time=time_of(attributes.get("time", "")),
        sequence=_whole(attributes.get("sequence", "")),
        epoch=_whole(attributes.get("epoch", "")),
        correlation=attributes.get("correlationid", "")[:MAX_ATTRIBUTE_CHARS] or None,
        causation=attributes.get("causationid", "")[:MAX_ATTRIBUTE_CHARS] or None,
        traceparent=attributes.get("traceparent", "")[:MAX_ATTRIBUTE_CHARS] or None,
        actor=attributes.get("actor", "")[:MAX_ATTRIBUTE_CHARS] or None,
        notes=notes,
    )


def _whole(text: str) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,18}", text) else None
