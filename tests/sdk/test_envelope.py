"""What an envelope carries."""

from __future__ import annotations

import json
import math
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelog.envelope import MAX_ATTRIBUTE_CHARS, Message, decode, derive_id, encode, subject
from modelog.events import Event, ModelTrained

from tests.sdk.envelopes import REQUEST, record, structured, trained
from tests.sdk.strategies import TEXT, events

NAN = float("nan")


@given(events)
def test_what_is_encoded_is_decoded(event: Event) -> None:
    message = decode(*encode(event, source="ci", id="1", sequence=3))
    assert message.event.model_dump_json() == event.model_dump_json()
    assert type(message.event) is type(event)


NOT_EMPTY = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)


@given(NOT_EMPTY, NOT_EMPTY, NOT_EMPTY, NOT_EMPTY, st.datetimes(timezones=st.just(timezone.utc)))
def test_every_attribute_comes_back(id: str, source: str, correlation: str, actor: str, time: datetime) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    extensions = {"correlationid": correlation, "causationid": "c", "traceparent": trace}
    encoded = encode(REQUEST, source=source, id=id, time=time, actor=actor, sequence=5, **extensions)
    assert decode(*encoded) == Message(REQUEST, id, source, time, 5, correlation, "c", trace, actor)


def test_who_made_an_event_happen_is_apart_from_who_reported_it() -> None:
    message = decode(*encode(REQUEST, source="ci", actor="u-4711"))
    assert (message.source, message.actor) == ("ci", "u-4711")


def test_an_event_of_an_older_sdk_has_no_actor() -> None:
    assert decode(*encode(REQUEST, source="ci")).actor is None


@pytest.mark.parametrize("name", ["correlationid", "causationid", "traceparent", "actor"])
def test_an_optional_attribute_is_cut_where_it_is_too_long(name: str) -> None:
    message = decode(*record(**{f"ce_{name}": b"x" * (MAX_ATTRIBUTE_CHARS + 1)}))
    assert "x" * MAX_ATTRIBUTE_CHARS in vars(message).values()


def test_the_headers_are_those_of_the_specification() -> None:
    key, value, headers = encode(
        REQUEST, source="ci", id="1", time=datetime(2026, 1, 5, 9, tzinfo=timezone(timedelta(hours=1)))
    )
    assert key == b"fraud"
    assert json.loads(value)["version"] == 7
    assert dict(headers) == {
        "content-type": b"application/json",
        "ce_specversion": b"1.0",
        "ce_type": b"promotion.requested",
        "ce_id": b"1",
        "ce_source": b"ci",
        "ce_subject": b"fraud/7",
        "ce_time": b"2026-01-05T08:00:00Z",
        "ce_partitionkey": b"fraud",
    }


def test_an_event_of_a_model_has_the_model_as_its_subject() -> None:
    assert subject(trained()) == "fraud"


def test_each_message_has_an_id_of_its_own() -> None:
    assert decode(*encode(REQUEST, source="ci")).id != decode(*encode(REQUEST, source="ci")).id


def test_a_cause_is_named_by_source_and_id() -> None:
    causes = {decode(*encode(REQUEST, source=source, id=id)).cause for source in "ab" for id in "12"}
    assert len(causes) == 4
    assert decode(*encode(REQUEST, source="a", id="1")).cause in causes


@given(st.uuids(), TEXT)
def test_a_derived_id_is_the_uuid5_of_the_standard(namespace: uuid.UUID, name: str) -> None:
    assert derive_id(namespace, name) == uuid.uuid5(namespace, name)
    assert derive_id(namespace, name).version == 5


@pytest.mark.parametrize("metric", [NAN, math.inf, -math.inf])
def test_a_metric_that_is_not_finite_comes_back(metric: float) -> None:
    event = decode(*encode(trained(metrics={"loss": metric}), source="ci")).event
    assert isinstance(event, ModelTrained)
    assert repr(event.metrics["loss"]) == repr(metric)


def test_a_field_from_a_newer_sdk_is_ignored() -> None:
    value = json.dumps({**REQUEST.model_dump(mode="json"), "urgency": "high"}).encode()
    assert decode(*record(value)).event == REQUEST


def test_structured_mode_is_read() -> None:
    assert decode(*structured(sequence="9", actor="u-4711")) == Message(REQUEST, "1", "ci", sequence=9, actor="u-4711")


@pytest.mark.parametrize(
    "content_type",
    ["application/cloudevents+json; charset=UTF-8", "Application/CloudEvents+JSON", "application/cloudevents+json;a=b"],
)
def test_structured_mode_is_known_by_the_beginning_of_its_content_type(content_type: str) -> None:
    key, value, _ = structured()
    assert decode(key, value, [("Content-Type", content_type.encode())]).event == REQUEST


def test_the_names_of_headers_may_be_in_upper_case() -> None:
    key, value, headers = record()
    assert decode(key, value, [(name.upper(), text) for name, text in headers]).event == REQUEST


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"\0"])
def test_a_strange_header_of_another_program_does_not_matter(content: bytes | None) -> None:
    key, value, headers = record()
    assert decode(key, value, [*headers, ("x-trace", content)]).event == REQUEST


@pytest.mark.parametrize("id", [b"a\xffb", b"a\0b"])
def test_bytes_that_are_no_text_are_replaced_in_an_id(id: bytes) -> None:
    assert decode(*record(ce_id=id)).id == "a\ufffdb"


def test_a_record_without_a_key_is_read() -> None:
    _, value, headers = record()
    assert decode(None, value, headers).event == REQUEST


@pytest.mark.parametrize("time", [b"yesterday", b"2026-01-05T09:00:00", b"0001-01-01T00:00:00+23:00", b""])
def test_a_time_that_cannot_be_read_is_none(time: bytes) -> None:
    assert decode(*record(ce_time=time)).time is None


@pytest.mark.parametrize("sequence", [b"-1", b"x", "\u0663".encode(), b"9" * 5000, b""])
def test_a_sequence_that_is_no_position_is_none(sequence: bytes) -> None:
    assert decode(*record(ce_sequence=sequence)).sequence is None


def test_a_traceparent_without_prefix_is_read() -> None:
    assert decode(*record(traceparent=b"00-1-2-01")).traceparent == "00-1-2-01"
