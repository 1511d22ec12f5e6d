"""Any bytes at all are an event, or unreadable with a reason; nothing else is raised."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelog.envelope import Message, Unreadable, decode, encode
from modelog.events import BY_TYPE, Event

from tests.sdk.envelopes import REQUEST, record, structured
from tests.sdk.strategies import ANYTHING, TEXT

DEEP = b"[" * 100_000 + b"]" * 100_000
HUGE = b"9" * 100_000
LONE = rb'"\ud800"'
STRANGE = [DEEP, HUGE, LONE, b"-" + HUGE, b"1e999999", b"NaN", b'{"a":' * 50_000 + b"1" + b"}" * 50_000]


@pytest.mark.parametrize("strange", STRANGE, ids=range(len(STRANGE)))
@pytest.mark.parametrize("place", ["model", "run", "metrics", "parameters", "trained_at", "answers", "artifact"])
def test_strange_json_is_an_event_or_unreadable(strange: bytes, place: str) -> None:
    value = b'{"model":"fraud","run":"r1","artifact":{},"' + place.encode() + b'":' + strange + b"}"
    attributes = b'{"specversion":"1.0","type":"model.trained","id":"1","source":"ci","data":' + value + b"}"
    assert_event_or_unreadable(b"fraud", value, record(ce_type=b"model.trained")[2])
    assert_event_or_unreadable(b"fraud", attributes, structured()[2])


@pytest.mark.parametrize("strange", STRANGE, ids=range(len(STRANGE)))
@pytest.mark.parametrize("place", ["id", "source", "type", "time", "sequence", "correlationid", "traceparent", "actor"])
def test_a_strange_attribute_is_carried_or_unreadable(strange: bytes, place: str) -> None:
    attributes = {
        "type": b'"promotion.requested"',
        "id": b'"1"',
        "source": b'"ci"',
        "data": REQUEST.model_dump_json().encode(),
    }
    value = b",".join(b'"%s":%s' % (name.encode(), text) for name, text in {**attributes, place: strange}.items())
    assert_event_or_unreadable(b"fraud", b"{" + value + b"}", structured()[2])


def assert_event_or_unreadable(key: bytes | None, value: bytes | None, headers: Any) -> None:
    """Whatever decodes can be named, logged and published again; what does not, has a reason on one line."""
    message, sentence = decoded(key, value, headers)
    assert sentence.isprintable()
    if message is not None:
        assert message.cause
        encode(message.event, source=message.source, id=message.id)


def decoded(key: bytes | None, value: bytes | None, headers: Any) -> tuple[Message[Event] | None, str]:
    try:
        return decode(key, value, headers), ""
    except Unreadable as reason:
        return None, str(reason)


HEADERS = st.lists(st.tuples(TEXT, st.none() | st.binary(max_size=20)), max_size=3)


@given(st.none() | st.binary(max_size=8), st.none() | st.binary(max_size=40), HEADERS)
def test_any_bytes_are_an_event_or_unreadable(key: bytes | None, value: bytes | None, headers: list[Any]) -> None:
    assert_event_or_unreadable(key, value, headers)


@given(
    st.sampled_from(sorted(BY_TYPE)),
    st.binary(max_size=40) | ANYTHING.map(lambda value: json.dumps(value).encode()),
    HEADERS,
)
def test_any_value_of_a_known_type_is_an_event_or_unreadable(type: str, value: bytes, headers: list[Any]) -> None:
    assert_event_or_unreadable(None, value, [*record(ce_type=type.encode())[2], *headers])


@given(
    st.dictionaries(st.sampled_from(["type", "id", "source", "time", "sequence", "actor", "data"]), ANYTHING),
    st.sampled_from(sorted(BY_TYPE)),
)
def test_any_structured_value_is_an_event_or_unreadable(envelope: dict[str, Any], type: str) -> None:
    for attributes in (envelope, {"id": "1", "source": "ci", **envelope, "type": type}):
        assert_event_or_unreadable(None, json.dumps(attributes).encode(), structured()[2])
