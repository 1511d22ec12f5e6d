"""CloudEvents 1.0 on Kafka: binary mode out, binary and structured in.

Format: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md with the
extensions `partitionkey`, `sequence` (the log's position), `epoch` (of the log), `correlationid`, `causationid`,
`traceparent` and `actor`.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from hashlib import sha1
from typing import Generic, TypeVar

from pydantic import ValidationError

from modelog.digest import digest_of
from modelog.events import BY_TYPE, Event, Fact
from modelog.untrusted import NotRead, has_nul, is_deeper, printable, problems

Header = tuple[str, bytes]
E = TypeVar("E", bound=Event, covariant=True)

MAX_EVENT_BYTES = 1024 * 1024
"""Of a report or a request, as JSON."""
MAX_DEPTH = 64
"""Of a report or a request: arrays and objects inside each other, with the event itself. States, pages and views of the
log put what they were sent into further objects, and pydantic reads 200 levels."""
MAX_ATTRIBUTE_CHARS = 500
"""Of each attribute of an envelope."""
MAX_FACT_BYTES = 4 * MAX_EVENT_BYTES
"""Of a fact, as JSON: it carries the content of the report and what was measured."""

FIRST_EPOCH = 1
"""Of facts that were published before there were epochs."""

STRUCTURED = b"application/cloudevents+json"
ATTRIBUTES = ["id", "source", "type", "subject", "time", "sequence", "epoch"]
ATTRIBUTES += ["correlationid", "causationid", "traceparent", "actor"]
HEADERS = [(f"ce_{name}", name) for name in ATTRIBUTES]

# Version 5 and the variant of RFC 4122 in a UUID, and its other bits.
VERSION_BITS = 5 << 76 | 2 << 62
OTHER_BITS = ~(15 << 76 | 3 << 62)


class Unreadable(ValueError):
    """A record that is no event; the sentence has what was expected, what was found and what to do.

    `cause` is that of a message with its source and id, where both can be read: the log shows with it whether the
    record was answered when it could be read.
    """

    def __init__(self, sentence: str, cause: uuid.UUID | None = None) -> None:
        super().__init__(printable(sentence))
        self.cause = cause


@dataclass(frozen=True)
class Message(Generic[E]):
    """An event and its envelope.

    `source` is the system that reported the event, `actor` the person or system that made it happen, if it is known.
    An actor is an opaque id, never a name or an address: what is in the log cannot be erased. Publishers set it and it
    is not verified, so no decision may depend on it. `sequence` is the position of a fact in the log; a restored log
    gives positions out again, in another `epoch`, so facts are ordered by (epoch, sequence); without an epoch, it is 1.
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

    @cached_property
    def cause(self) -> uuid.UUID:
        """The id of this message for its answers: in CloudEvents, source and id together are unique."""
        return cause_of(self.source, self.id)

    @cached_property
    def digest(self) -> str:
        """The digest of its content: another message with its cause and another digest is a conflict."""
        return digest_of(self.event)


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
    id: str | None = None,
    time: datetime | None = None,
    actor: str | None = None,
    **extensions: str | int | None,
) -> tuple[bytes, bytes, list[Header]]:
    """The Kafka key, value and headers of `event`; raise ValueError if Kafka or the log cannot store it."""
    value = event.model_dump_json().encode()
    if has_nul(value):
        raise ValueError(f"{event.type} contains the NUL character, which the log cannot store: remove it")
    if len(value) > MAX_EVENT_BYTES:
        raise ValueError(f"{event.type} is {len(value)} bytes of JSON, at most {MAX_EVENT_BYTES} are read: send less")
    if not isinstance(event, Fact) and is_deeper(value, MAX_DEPTH):
        raise ValueError(f"{event.type} has more than {MAX_DEPTH} levels of lists and objects: flatten it")
    return encode_binary(
        event.type,
        value,
        id=id or str(uuid.uuid4()),
        source=source,
        subject=subject(event),
        time=time or datetime.now(timezone.utc),
        key=event.model,
        actor=actor,
        **extensions,
    )


def decode(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> Message[Event]:
    """The event in a Kafka record, in binary or structured mode; raise Unreadable with the reason if it is no event.

    Headers, attributes and fields that are unknown are ignored. Optional attributes are cut to MAX_ATTRIBUTE_CHARS.
    """
    found = {name.lower(): content for name, content in headers if content is not None}
    is_structured = found.get("content-type", b"").lower().startswith(STRUCTURED)
    attributes = {} if is_structured else {name: _text(found[header]) for header, name in HEADERS if header in found}
    try:
        data = _checked(value)
        if is_structured:
            found_attributes, data = _structured(data)
            attributes.update(found_attributes)
            if not data:
                raise Unreadable("expected a CloudEvent with the field `data`, found none: put the event's data there")
        if "traceparent" in found:
            attributes.setdefault("traceparent", _text(found["traceparent"]))
        event = _event(attributes, data)
        if key is not None and key != event.model.encode():
            raise Unreadable(
                f"expected the model {event.model!r} as the record's key, found {key[:60]!r}: "
                "the key orders the events of a model, send them with it"
            )
    except Unreadable as reason:
        if _attribute_problem(attributes) is None:
            reason.cause = cause_of(attributes["source"], attributes["id"])
        raise
    return _message(event, attributes)


def _checked(value: bytes | None) -> bytes:
    if isinstance(value, NotRead):
        raise Unreadable(value.reason)
    if not value:
        raise Unreadable("expected an event as JSON, found an empty value: send the event's data")
    if len(value) > MAX_FACT_BYTES:
        raise _too_large(MAX_FACT_BYTES, value)
    if has_nul(value):
        raise Unreadable("expected text that Postgres can store, found the NUL character \\u0000: remove it")
    return value


def _too_large(limit: int, found: bytes) -> Unreadable:
    return Unreadable(f"expected at most {limit} bytes, found {len(found)}: send less, or refer to it by address")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace").replace("\0", "\ufffd")


def _structured(value: bytes) -> tuple[dict[str, str], bytes]:
    try:
        envelope = json.loads(value.decode())  # from bytes, json would read UTF-16 too, where NUL has other bytes
        has_data = isinstance(envelope, dict) and "data" in envelope
        data = json.dumps(envelope["data"]).encode() if has_data else b""
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"expected a CloudEvent as JSON in UTF-8, found {error}") from None
    if not isinstance(envelope, dict):
        raise Unreadable("expected a CloudEvent as a JSON object, found another value: send an object")
    plain = {name: envelope[name] for name in ATTRIBUTES if isinstance(envelope.get(name), (str, int))}
    return {name: _text(str(content).encode("utf-8", "replace")) for name, content in plain.items()}, data


def _attribute_problem(attributes: dict[str, str]) -> str | None:
    for name in ("id", "source"):
        text = attributes.get(name)
        if not text:
            return f"expected the header `ce_{name}`, found none: without it a repeated message cannot be recognised"
        if len(text) > MAX_ATTRIBUTE_CHARS:
            return f"expected at most {MAX_ATTRIBUTE_CHARS} characters in `ce_{name}`, found {len(text)}"
    return None


def _event(attributes: dict[str, str], data: bytes) -> Event:
    type = attributes.get("type")
    if not type:
        raise Unreadable("expected the event's type in the header `ce_type`, found none: send a CloudEvent")
    if type not in BY_TYPE:
        raise Unreadable(f"expected a type out of {', '.join(BY_TYPE)}, found {type[:60]!r}")
    if not issubclass(BY_TYPE[type], Fact):
        if len(data) > MAX_EVENT_BYTES:
            raise _too_large(MAX_EVENT_BYTES, data)
        if is_deeper(data, MAX_DEPTH):
            raise Unreadable(f"expected at most {MAX_DEPTH} levels of lists and objects, found more: flatten it")
    if (problem := _attribute_problem(attributes)) is not None:
        raise Unreadable(problem)
    try:
        return BY_TYPE[type].model_validate_json(data)
    except ValidationError as error:
        raise Unreadable(f"expected {type} as in its schema, found {problems(error)}") from None


def _message(event: Event, attributes: dict[str, str]) -> Message[Event]:
    return Message(
        event=event,
        id=attributes["id"],
        source=attributes["source"],
        time=_time(attributes.get("time", "")),
        sequence=_whole(attributes.get("sequence", "")),
        epoch=_whole(attributes.get("epoch", "")),
        correlation=attributes.get("correlationid", "")[:MAX_ATTRIBUTE_CHARS] or None,
        causation=attributes.get("causationid", "")[:MAX_ATTRIBUTE_CHARS] or None,
        traceparent=attributes.get("traceparent", "")[:MAX_ATTRIBUTE_CHARS] or None,
        actor=attributes.get("actor", "")[:MAX_ATTRIBUTE_CHARS] or None,
    )


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return time.astimezone(timezone.utc) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None
