"""The digest of an event's content, which is in the log beside the answers: it never changes for what was sent once."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from modelog.events import Event


def digest_of(event: Event) -> str:
    """The sha256 of type and content in hex, whatever the order of names; a field that has its default does not count.

    So a new field with a default leaves the digest as it is.
    """
    ordered = {name: _ordered(value) for name, value in event if isinstance(value, dict)}
    content = event.model_copy(update=ordered).model_dump_json(exclude_defaults=True)
    return sha256(f"{event.type} {content}".encode()).hexdigest()


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value
