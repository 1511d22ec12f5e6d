"""Facts that mean nothing, as log.append accepts them."""

from __future__ import annotations

import json
import uuid
from typing import Any

from shared.log import Append, Entry

KIND = "registration.refused"
CAUSE = uuid.UUID(int=2**127)


def entry(stream: str, id: uuid.UUID | None = None, kind: str = KIND, **meta: Any) -> Entry:
    """A fact of this stream; `meta` has more fields of its meta, or others."""
    every = {"source": "/test", "cause": CAUSE, "causation": "1", "correlation": "1", "schema": 3, **meta}
    return Entry(kind, id or uuid.uuid4(), json.dumps({"model": stream}), json.dumps(every, default=str))


def numbered(stream: str, expected: int, *ids: int, kind: str = KIND) -> Append:
    """Facts whose ids are these numbers."""
    return Append(stream, expected, [entry(stream, uuid.UUID(int=id), kind) for id in ids])
