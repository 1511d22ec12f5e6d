"""What an envelope carries, and what it refuses with a sentence."""

from __future__ import annotations

import json
import math
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelog.envelope import MAX_EVENT_BYTES, Header, Message, Unreadable, decode, derive_id, encode, subject
from modelog.events import BY_TYPE, Event, ModelTrained, PromotionRequested

from tests.sdk.strategies import ANYTHING, TEXT, events

WISH = PromotionRequested(model="fraud", version=7, by="mira")
NAN = float("nan")


def record(value: bytes | None = None, **changed: bytes | None) -> tuple[bytes | None, bytes | None, list[Any]]:
    """A wish in binary mode, with another value or other headers; a header that is None is left out."""
    key, good, headers = encode(WISH, source="ci", id="1")
    names = {name.replace("_", "-") if name == "content_type" else name: it for name, it in changed.items()}
    return (
        key,
        good if value is None else value,
        [
            *((name, it) for name, it in headers if name not in names),
            *((name, it) for name, it in names.items() if it is not None),
        ],
    )


def structured(data: Any = None, **changed: Any) -> tuple[bytes | None, bytes, list[Header]]:
    """The same wish in structured mode; an attribute that is None is left out."""
    envelope = {"specversion": "1.0", "type": "promotion.requested", "id": "1", "source": "ci", **changed}
    said = {name: value for name, value in envelope.items() if value is not None}
    said["data"] = WISH.model_dump(mode="json") if data is None else data
    return b"fraud", json.dumps(said).encode(), [("content-type", b"application/cloudevents+json")]


def trained(**fields: Any) -> ModelTrained:
    return ModelTrained.model_validate({"model": "fraud", "run": "r1", "artifact": {}, **fields})


@given(events)
def test_what_is_encoded_is_decoded(event: Event) -> None:
    message = decode(*encode(event, source="ci", id="1", sequence=3))
    assert message.event.model_dump_json() == event.model_dump_json()
    assert type(message.event) is type(event)


@given(TEXT.filter(bool), TEXT.filter(bool), TEXT.filter(bool), st.datetimes(timezones=st.just(timezone.utc)))
def test_every_attribute_comes_back(id: str, source: str, correlation: str, time: datetime) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    coded = encode(
        WISH, source=source, id=id, time=time, sequence=5, correlationid=correlation, causationid="c", traceparent=trace
    )
    assert decode(*coded) == Message(WISH, id, source, time, 5, correlation, "c", trace)


def test_the_headers_are_those_of_the_specification() -> None:
    key, value, headers = encode(
        WISH, source="ci", id="1", time=datetime(2026, 1, 5, 9, tzinfo=timezone(timedelta(hours=1)))
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
    assert decode(*encode(WISH, source="ci")).id != decode(*encode(WISH, source="ci")).id


def test_a_cause_is_named_by_source_and_id() -> None:
    causes = {decode(*encode(WISH, source=source, id=id)).cause for source in "ab" for id in "12"}
    assert len(causes) == 4
    assert decode(*encode(WISH, source="a", id="1")).cause in causes


@given(st.uuids(), TEXT)
def test_a_name_in_a_namespace_is_what_the_standard_says(namespace: uuid.UUID, name: str) -> None:
    assert derive_id(namespace, name) == uuid.uuid5(namespace, name)
    assert derive_id(namespace, name).version == 5


@pytest.mark.parametrize("metric", [NAN, math.inf, -math.inf])
def test_a_metric_that_is_not_finite_comes_back(metric: float) -> None:
    event = decode(*encode(trained(metrics={"loss": metric}), source="ci")).event
    assert isinstance(event, ModelTrained)
    assert repr(event.metrics["loss"]) == repr(metric)


def test_a_field_from_a_newer_sdk_is_ignored() -> None:
    value = json.dumps({**WISH.model_dump(mode="json"), "urgency": "high"}).encode()
    assert decode(*record(value)).event == WISH


def test_structured_mode_is_read() -> None:
    assert decode(*structured(sequence="9")) == Message(WISH, "1", "ci", sequence=9)


@pytest.mark.parametrize(
    "content_type",
    ["application/cloudevents+json; charset=UTF-8", "Application/CloudEvents+JSON", "application/cloudevents+json;a=b"],
)
def test_structured_mode_is_known_by_the_beginning_of_its_content_type(content_type: str) -> None:
    key, value, _ = structured()
    assert decode(key, value, [("Content-Type", content_type.encode())]).event == WISH


def test_the_names_of_headers_may_be_in_upper_case() -> None:
    key, value, headers = record()
    assert decode(key, value, [(name.upper(), it) for name, it in headers]).event == WISH


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"\0"])
def test_a_strange_header_of_somebody_else_does_not_matter(content: bytes | None) -> None:
    key, value, headers = record()
    assert decode(key, value, [*headers, ("x-trace", content)]).event == WISH


@pytest.mark.parametrize("id", [b"a\xffb", b"a\0b"])
def test_what_text_cannot_hold_is_replaced_in_an_id(id: bytes) -> None:
    assert decode(*record(ce_id=id)).id == "a\ufffdb"


def test_a_record_without_a_key_is_read() -> None:
    _, value, headers = record()
    assert decode(None, value, headers).event == WISH


@pytest.mark.parametrize("time", [b"yesterday", b"2026-01-05T09:00:00", b"0001-01-01T00:00:00+23:00", b""])
def test_a_time_that_cannot_be_read_is_none(time: bytes) -> None:
    assert decode(*record(ce_time=time)).time is None


@pytest.mark.parametrize("sequence", [b"-1", b"x", "\u0663".encode(), b"9" * 5000, b""])
def test_a_sequence_that_is_no_position_is_none(sequence: bytes) -> None:
    assert decode(*record(ce_sequence=sequence)).sequence is None


def test_a_traceparent_without_prefix_is_read() -> None:
    assert decode(*record(traceparent=b"00-1-2-01")).traceparent == "00-1-2-01"


def refusal(key: bytes | None, value: bytes | None, headers: list[Any]) -> str:
    with pytest.raises(Unreadable) as why:
        decode(key, value, headers)
    return str(why.value)


@pytest.mark.parametrize("value", [None, b""])
def test_an_empty_value_is_refused(value: bytes | None) -> None:
    key, _, headers = record()
    assert "found an empty value" in refusal(key, value, headers)


def test_two_megabytes_are_refused() -> None:
    assert f"found {2 * MAX_EVENT_BYTES}:" in refusal(*record(b" " * 2 * MAX_EVENT_BYTES))


def test_two_megabytes_are_not_sent_either() -> None:
    with pytest.raises(ValueError, match="at most 1048576 are read"):
        encode(trained(description="x" * 2 * MAX_EVENT_BYTES), source="ci")


@pytest.mark.parametrize("name", ["type", "id", "source"])
@pytest.mark.parametrize("content", [None, b""])
def test_without_type_id_or_source_it_is_no_event(name: str, content: bytes | None) -> None:
    assert f"header `ce_{name}`, found none" in refusal(*record(**{f"ce_{name}": content}))


@pytest.mark.parametrize("name", ["type", "id", "source"])
@pytest.mark.parametrize("content", [None, "", [1], {"a": 1}])
def test_without_type_id_or_source_it_is_no_event_in_structured_mode_either(name: str, content: Any) -> None:
    assert f"header `ce_{name}`, found none" in refusal(*structured(**{name: content}))


def test_an_unknown_type_is_refused_with_those_that_are_known() -> None:
    why = refusal(*record(ce_type=b"model.exploded"))
    assert why.endswith("found 'model.exploded'")
    assert "model.promoted" in why


def test_another_models_key_is_refused() -> None:
    _, value, headers = record()
    assert "expected the model 'fraud' as the record's key, found b'churn'" in refusal(b"churn", value, headers)


@pytest.mark.parametrize("value", [b"{", b"[]", b"null", b"1", b'"x"', b"\xff", "{}".encode("utf-16")])
def test_what_is_no_json_object_is_refused(value: bytes) -> None:
    assert "expected promotion.requested as its schema says" in refusal(*record(value))


@pytest.mark.parametrize("value", [b"{", b"[]", b"null", b"1", b'"x"', b"\xff", '{"data": 1}'.encode("utf-16")])
def test_what_is_no_cloud_event_is_refused(value: bytes) -> None:
    assert "expected a CloudEvent" in refusal(b"fraud", value, [("content-type", b"application/cloudevents+json")])


def test_a_cloud_event_without_data_is_refused() -> None:
    key, value, headers = structured()
    assert "the field `data`, found none" in refusal(key, value.replace(b'"data"', b'"date"'), headers)


def test_a_wrong_field_is_named_with_what_was_found() -> None:
    value = json.dumps({"model": "fraud", "version": "seven", "by": "mira"}).encode()
    assert "version: Input should be a valid integer" in refusal(*record(value))
    assert "found 'seven'" in refusal(*record(value))


def test_many_wrong_fields_make_a_short_sentence() -> None:
    value = json.dumps(
        {"model": "fraud", "run": "r", "artifact": {}, "metrics": {"m" * 299 + str(n): "x" for n in range(9)}}
    )
    why = refusal(*record(value.encode(), ce_type=b"model.trained"))
    assert why.endswith("and 4 more")
    assert len(why) < 1500


@pytest.mark.parametrize("text", ["a\0b", "\0", "\\\0"])
def test_the_nul_character_is_refused_on_both_sides(text: str) -> None:
    with pytest.raises(ValueError, match="NUL"):
        encode(trained(description=text), source="ci")
    value = json.dumps({"model": "fraud", "run": "r1", "artifact": {}, "description": text}).encode()
    assert "NUL" in refusal(*record(value, ce_type=b"model.trained"))


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "a\\\\\\u0000"])
def test_text_about_the_nul_character_is_carried(text: str) -> None:
    event = decode(*encode(trained(description=text), source="ci")).event
    assert isinstance(event, ModelTrained)
    assert event.description == text


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
@pytest.mark.parametrize("place", ["id", "source", "type", "time", "sequence", "correlationid", "traceparent"])
def test_a_strange_attribute_is_carried_or_unreadable(strange: bytes, place: str) -> None:
    said = {"type": b'"promotion.requested"', "id": b'"1"', "source": b'"ci"', "data": WISH.model_dump_json().encode()}
    value = b",".join(b'"%s":%s' % (name.encode(), it) for name, it in {**said, place: strange}.items())
    assert_event_or_unreadable(b"fraud", b"{" + value + b"}", structured()[2])


def assert_event_or_unreadable(key: bytes | None, value: bytes | None, headers: Any) -> None:
    """Whatever decodes can be named, logged and said again."""
    try:
        message = decode(key, value, headers)
    except Unreadable as why:
        str(why).encode()
    else:
        assert message.cause
        encode(message.event, source=message.source, id=message.id)


HEADERS = st.lists(st.tuples(TEXT, st.none() | st.binary(max_size=20)), max_size=3)


@given(st.none() | st.binary(max_size=8), st.none() | st.binary(max_size=40), HEADERS)
def test_any_bytes_are_an_event_or_unreadable(key: bytes | None, value: bytes | None, headers: list[Any]) -> None:
    assert_event_or_unreadable(key, value, headers)


@given(
    st.sampled_from(sorted(BY_TYPE)), st.binary(max_size=40) | ANYTHING.map(lambda it: json.dumps(it).encode()), HEADERS
)
def test_any_value_of_a_known_type_is_an_event_or_unreadable(type: str, value: bytes, headers: list[Any]) -> None:
    assert_event_or_unreadable(None, value, [*record(ce_type=type.encode())[2], *headers])


@given(
    st.dictionaries(st.sampled_from(["type", "id", "source", "time", "sequence", "data"]), ANYTHING),
    st.sampled_from(sorted(BY_TYPE)),
)
def test_any_structured_value_is_an_event_or_unreadable(envelope: dict[str, Any], type: str) -> None:
    for said in (envelope, {"id": "1", "source": "ci", **envelope, "type": type}):
        assert_event_or_unreadable(None, json.dumps(said).encode(), structured()[2])
