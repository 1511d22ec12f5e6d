"""The digest of an event's content, which is in the log beside the answers: it never changes for what was sent once."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

from modelog.events import Event
from modelog.values import Value

UNCHANGED = frozenset({str, int, float, bool, tuple, type(None)})


def digests_of(event: Event) -> tuple[str, str | None]:
    """The sha256 of type and content in hex, and what older versions wrote for this event if that is another.

    The order of names does not count, nor the zone of a time, nor a field that has its default: a new field with a
    default leaves the digest as it is. For older versions a time was the text that was sent.
    """
    same = _same(event, in_utc=True)
    digest = _digest(event.model_copy(update=same))
    if all(type(field) is dict for field in same.values()):
        return digest, None
    earlier = _digest(event.model_copy(update=_same(event, in_utc=False)))
    return digest, None if earlier == digest else earlier


def _digest(event: Event) -> str:
    content = event.model_dump_json(exclude_defaults=True)
    return sha256(f"{event.type} {content}".encode()).hexdigest()


def _same(value: Value, *, in_utc: bool) -> dict[str, Any]:
    """The fields that are written in a single way, whatever way they were sent in."""
    found = dict[str, Any]()
    for name, field in vars(value).items():
        if type(field) in UNCHANGED:
            continue
        if isinstance(field, dict):
            found[name] = _ordered(field)
        elif in_utc and isinstance(field, datetime) and field.utcoffset() != timedelta():
            found[name] = _in_utc(field)
        elif isinstance(field, Value) and (inner := _same(field, in_utc=in_utc)):
            found[name] = field.model_copy(update=inner)
    return found


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(timezone.utc)
    except OverflowError:  # the first and the last day of the calendar
        return time
