"""The official CloudEvents SDK reads what we write, and we read what it writes, in both modes."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import (
    KafkaMessage,
    from_kafka_event,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import kafka as v1
from cloudevents.v1.http import CloudEvent as CloudEventV1
from hypothesis import given
from modelog.envelope import Message, decode, encode
from modelog.events import Event, PromotionRequested

from tests.sdk.strategies import events

AT = datetime(2026, 3, 2, 4, 37, 12, 250000, tzinfo=timezone.utc)
REQUEST = PromotionRequested(model="fraud", version=7, by="mira")


def theirs(event: Event) -> CloudEvent:
    attributes: dict[str, Any] = {
        "type": event.type,
        "source": "ci",
        "id": "1",
        "time": AT,
        "subject": "fraud/7",
        "datacontenttype": "application/json",
        "partitionkey": event.model,
        "sequence": "12",
        "correlationid": "c",
        "causationid": "d",
        "actor": "u-4711",
    }
    return CloudEvent(attributes, json.loads(event.model_dump_json()))


def read(sent: KafkaMessage) -> Message[Event]:
    key = sent.key.encode() if isinstance(sent.key, str) else sent.key
    return decode(key, sent.value, sent.headers.items())


@given(events)
def test_they_read_what_we_write(event: Event) -> None:
    extensions = {"correlationid": "c", "causationid": "d"}
    key, value, headers = encode(event, source="ci", id="1", time=AT, actor="u-4711", sequence=12, **extensions)
    seen = from_kafka_event(KafkaMessage(dict(headers), key, value))
    assert seen.get_attributes() | {"subject": "fraud/7"} == theirs(event).get_attributes()
    assert seen.get_data() == json.loads(event.model_dump_json())


def test_we_read_their_binary_mode() -> None:
    assert read(to_binary_event(theirs(REQUEST))) == Message(REQUEST, "1", "ci", AT, 12, "c", "d", actor="u-4711")


def test_we_read_their_structured_mode() -> None:
    assert read(to_structured_event(theirs(REQUEST))) == Message(REQUEST, "1", "ci", AT, 12, "c", "d", actor="u-4711")


@given(events)
def test_both_modes_of_theirs_are_one_event_for_us(event: Event) -> None:
    binary, structured = read(to_binary_event(theirs(event))), read(to_structured_event(theirs(event)))
    assert binary.event.model_dump_json() == structured.event.model_dump_json() == event.model_dump_json()


def older(event: Event, data: Any, **attributes: str) -> CloudEventV1:
    """An event of their first API."""
    given = {"type": event.type, "source": "ci", "id": "1", "time": AT.isoformat(), "partitionkey": event.model}
    return CloudEventV1(given | attributes, data)


def read_v1(sent: v1.KafkaMessage) -> Message[Event]:
    value: Any = sent.value
    encoded = value if isinstance(value, bytes) else value.encode()
    return decode(str(sent.key).encode(), encoded, sent.headers.items(), strict=True)


@pytest.mark.parametrize("attributes", [{}, {"datacontenttype": "application/json"}], ids=["without a type", "typed"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "bytes"])
def test_we_read_both_modes_of_their_first_api(attributes: dict[str, str], packed: bool) -> None:
    plain = json.loads(REQUEST.model_dump_json())
    event = older(REQUEST, json.dumps(plain).encode() if packed else plain, **attributes)
    assert read_v1(v1.to_structured(event)) == Message(REQUEST, "1", "ci", AT)
    if attributes:  # their binary mode fails without it
        assert read_v1(v1.to_binary(event, bytes if packed else None)) == Message(REQUEST, "1", "ci", AT)
