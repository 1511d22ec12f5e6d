"""A request as a Kafka record in both modes, with what a test changes about it."""

from __future__ import annotations

import json
from typing import Any

from modelog.envelope import Header, encode
from modelog.events import ModelTrained, PromotionRequested

REQUEST = PromotionRequested(model="fraud", version=7, by="mira")


def record(value: bytes | None = None, **changed: bytes | None) -> tuple[bytes | None, bytes | None, list[Any]]:
    """The request in binary mode, with another value or other headers; a header that is None is left out."""
    key, good, headers = encode(REQUEST, source="ci", id="1")
    names = {name.replace("_", "-") if name == "content_type" else name: text for name, text in changed.items()}
    return (
        key,
        good if value is None else value,
        [
            *((name, text) for name, text in headers if name not in names),
            *((name, text) for name, text in names.items() if text is not None),
        ],
    )


def structured(data: Any = None, **changed: Any) -> tuple[bytes | None, bytes, list[Header]]:
    """The request in structured mode; an attribute that is None is left out."""
    envelope = {"specversion": "1.0", "type": "promotion.requested", "id": "1", "source": "ci", **changed}
    attributes = {name: value for name, value in envelope.items() if value is not None}
    attributes["data"] = REQUEST.model_dump(mode="json") if data is None else data
    return b"fraud", json.dumps(attributes).encode(), [("content-type", b"application/cloudevents+json")]


def trained(**fields: Any) -> ModelTrained:
    return ModelTrained.model_validate({"model": "fraud", "run": "r1", "artifact": {}, **fields})
