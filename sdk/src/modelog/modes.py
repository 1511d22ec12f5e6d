"""The forms of CloudEvents in a Kafka record, as attributes and data: binary and structured mode, batches of one event.

A content type of CloudEvents names the form. Without it, headers that begin with `ce_` are binary mode, and a JSON
object with a `specversion` is structured mode: SDKs send it without a content type, or with that of the data.
"""

from __future__ import annotations

import json
import re
import uuid
from base64 import b64decode
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

from modelog.untrusted import NotRead, has_nul, printable

Headers = Iterable[tuple[str, "bytes | None"]]

MAX_ATTRIBUTE_CHARS = 500
"""Of each attribute of an envelope."""
MAX_EVENT_BYTES = 1024 * 1024
"""Of a report or a request, as JSON."""
MAX_FACT_BYTES = 4 * MAX_EVENT_BYTES
"""Of a fact, as JSON: it carries the content of the report and what was measured."""

MAX_EVENTS_IN_BATCH = 100
MAX_INDENTED = 100
"""Bytes of space before a batch."""

CLOUDEVENTS = b"application/cloudevents"
STRUCTURED, BATCH = CLOUDEVENTS + b"+json", CLOUDEVENTS + b"-batch+json"
ATTRIBUTES = ["id", "source", "type", "time", "sequence", "epoch", "schemaversion"]
ATTRIBUTES += ["correlationid", "causationid", "traceparent", "actor"]
HEADERS = [(f"ce_{name}", name) for name in ATTRIBUTES]
REQUIRED = frozenset({"ce_type", "ce_id", "ce_source", "ce_specversion"})
"""Each shows that a record is in binary mode, if its content type is not of CloudEvents."""

TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):([0-5]\d|60)(?:\.(\d{1,6})\d*)?([Zz]|[+-]\d\d:\d\d)")


class Unreadable(ValueError):
    """A record that is no event; the sentence has what was expected, what was found and what to do.

    `cause` is that of a message with its source and id, where both can be read: the log shows with it whether the
    record was answered when it could be read.
    """

    def __init__(self, sentence: str, cause: uuid.UUID | None = None) -> None:
        super().__init__(printable(sentence))
        self.cause = cause


def content(value: bytes | None, headers: Headers, attributes: dict[str, str]) -> bytes:
    """The data of an event; its attributes are added to `attributes` before Unreadable is raised, as far as found."""
    found = {name.lower(): text for name, text in headers if text is not None}
    is_named = found.get("content-type", b"").lower().startswith(CLOUDEVENTS)
    if not is_named and ("ce_type" in found or not found.keys().isdisjoint(REQUIRED)):
        attributes.update({name: _text(found[header]) for header, name in HEADERS if header in found})
        if not found.get("ce_specversion", b"1.").startswith(b"1."):
            raise _other_version(_text(found["ce_specversion"]))
        data = _checked(value)
    else:
        data = _checked(value)
        if is_named or b'"specversion"' in data:
            data = _structured(data, attributes, found.get("content-type", STRUCTURED) if is_named else STRUCTURED)
    if "traceparent" in found:
        attributes.setdefault("traceparent", _text(found["traceparent"]))
    return data


def batched(value: bytes | None, headers: Headers) -> list[bytes] | None:
    """The events of a batch, each in structured mode; None for another record. Raise Unreadable for too many."""
    if not value or value[:MAX_INDENTED].lstrip()[:1] != b"[":
        return None
    if not REQUIRED.isdisjoint(name.lower() for name, text in headers if text is not None):
        return None
    try:
        events = json.loads(_checked(value).decode())
    except (ValueError, RecursionError):  # `content` finds it, too
        return None
    if not isinstance(events, list) or len(events) < 2:
        return None
    if len(events) > MAX_EVENTS_IN_BATCH:
        raise Unreadable(
            f"expected at most {MAX_EVENTS_IN_BATCH} events in a batch, found {len(events)}: send smaller batches"
        )
    return [json.dumps(event).encode() for event in events]


def source_and_id(value: bytes | None, headers: Headers) -> tuple[str, str] | None:
    """What names the message in a record, whether it can be read as a whole or not; None if it has no name."""
    attributes: dict[str, str] = {}
    with suppress(Unreadable):
        content(value, headers, attributes)
    return (attributes["source"], attributes["id"]) if attribute_problem(attributes) is None else None


def attribute_problem(attributes: dict[str, str]) -> str | None:
    """What is wrong with the attributes that name a message."""
    for name in ("id", "source"):
        text = attributes.get(name)
        if not text:
            return f"expected the header `ce_{name}`, found none: without it a repeated message cannot be recognised"
        if len(text) > MAX_ATTRIBUTE_CHARS:
            return f"expected at most {MAX_ATTRIBUTE_CHARS} characters in `ce_{name}`, found {len(text)}"
    return None


def too_large(limit: int, found: bytes) -> Unreadable:
    """The error of a value above a limit."""
    return Unreadable(f"expected at most {limit} bytes, found {len(found)}: send less, or refer to it by address")


def time_of(text: str) -> datetime | None:
    """A time of RFC 3339 in UTC, to the microsecond; None for other texts. A leap second is the next second."""
    try:
        return _in_utc(text.replace("Z", "+00:00"))
    except (ValueError, OverflowError):
        pass  # Python 3.10 reads less, and no version all
    if not (found := TIME.fullmatch(text)):
        return None
    day, minute, second, fraction, zone = found.groups()
    with suppress(ValueError, OverflowError):
        time = _in_utc(f"{day}T{minute}:{min(second, '59')}{'+00:00' if zone in 'Zz' else zone}")
        return time and time + timedelta(seconds=second == "60", microseconds=int((fraction or "0").ljust(6, "0")))
    return None


def _in_utc(text: str) -> datetime | None:
    time = datetime.fromisoformat(text)
    return time.astimezone(timezone.utc) if time.tzinfo else None


def _checked(value: bytes | None) -> bytes:
    if isinstance(value, NotRead):
        raise Unreadable(value.reason)
    if not value:
        raise Unreadable("expected an event as JSON, found an empty value: send the event's data")
    if len(value) > MAX_FACT_BYTES:
        raise too_large(MAX_FACT_BYTES, value)
    if has_nul(value):
        raise Unreadable("expected text that Postgres can store, found the NUL character \\u0000: remove it")
    return value


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace").replace("\0", "\ufffd")


def _structured(value: bytes, attributes: dict[str, str], content_type: bytes) -> bytes:
    kind = content_type.lower().partition(b";")[0].strip()
    if kind not in (STRUCTURED, BATCH):
        raise Unreadable(f"expected a CloudEvent as JSON ({_text(STRUCTURED)}), found {_text(kind)[:60]!r}: send JSON")
    envelope = _envelope(value)
    plain = {name: envelope[name] for name in ATTRIBUTES if isinstance(envelope.get(name), (str, int))}
    attributes.update((name, _text(_plain(value).encode("utf-8", "replace"))) for name, value in plain.items())
    if not (version := str(envelope.get("specversion", "1."))).startswith("1."):
        raise _other_version(version)
    try:
        return _checked(_data(envelope))
    except Unreadable:
        raise
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"expected the event's data as JSON or in base64, found {error}: correct it") from None


def _envelope(value: bytes) -> dict[str, Any]:
    try:
        envelope = json.loads(value.decode())  # from bytes, json would read UTF-16 too, where NUL has other bytes
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"expected a CloudEvent as JSON in UTF-8, found {error}") from None
    if isinstance(envelope, list) and len(envelope) != 1:
        raise Unreadable(
            f"expected a CloudEvent in the record, found a batch of {len(envelope)}: send each in a record of its own, "
            "with its model as the key"
        )
    envelope = envelope[0] if isinstance(envelope, list) else envelope
    if not isinstance(envelope, dict):
        raise Unreadable("expected a CloudEvent as a JSON object, found another value: send an object")
    return envelope


def _data(envelope: dict[str, Any]) -> bytes:
    """An event is an object: data that is a text is the JSON of it."""
    if "data_base64" in envelope:
        return b64decode(str(envelope["data_base64"]), validate=True)
    if "data" not in envelope:
        raise Unreadable("expected a CloudEvent with the field `data`, found none: put the event's data there")
    data = envelope["data"]
    return (data if isinstance(data, str) else json.dumps(data)).encode("utf-8", "replace")


def _plain(value: str | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _other_version(specversion: str) -> Unreadable:
    return Unreadable(f"expected version 1.0 of CloudEvents in `specversion`, found {specversion[:60]!r}: send that")
