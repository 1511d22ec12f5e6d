"""What is no event, and the sentence with the reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from modelog.envelope import (
    MAX_ATTRIBUTE_CHARS,
    MAX_DEPTH,
    MAX_EVENT_BYTES,
    MAX_FACT_BYTES,
    Unreadable,
    cause_of,
    decode,
    encode,
)
from modelog.events import ModelTrained, RetrainingRequested
from modelog.untrusted import NotRead

from tests.sdk.envelopes import record, structured, trained


def refusal(key: bytes | None, value: bytes | None, headers: list[Any]) -> str:
    with pytest.raises(Unreadable) as raised:
        decode(key, value, headers)
    return str(raised.value)


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


def test_an_attribute_of_structured_mode_is_not_looked_for_in_the_headers() -> None:
    key, value, headers = structured(id=None)
    assert "header `ce_id`, found none" in refusal(key, value, [*headers, ("ce_id", b"1")])


def test_records_that_were_not_read_are_unreadable_with_the_reason() -> None:
    assert refusal(None, NotRead("expected smaller batches"), []) == "expected smaller batches"


@pytest.mark.parametrize("name", ["id", "source"])
def test_an_id_or_a_source_that_is_too_long_is_refused(name: str) -> None:
    assert decode(*record(**{f"ce_{name}": b"x" * MAX_ATTRIBUTE_CHARS})).event
    sentence = refusal(*record(**{f"ce_{name}": b"x" * (MAX_ATTRIBUTE_CHARS + 1)}))
    assert sentence == f"expected at most {MAX_ATTRIBUTE_CHARS} characters in `ce_{name}`, found 501"


def test_an_unknown_type_is_refused_with_those_that_are_known() -> None:
    sentence = refusal(*record(ce_type=b"model.exploded"))
    assert sentence.endswith("found 'model.exploded'")
    assert "model.promoted" in sentence


def test_another_models_key_is_refused() -> None:
    _, value, headers = record()
    assert "expected the model 'fraud' as the record's key, found b'churn'" in refusal(b"churn", value, headers)


@pytest.mark.parametrize("value", [b"{", b"[]", b"null", b"1", b'"x"', b"\xff", "{}".encode("utf-16")])
def test_what_is_no_json_object_is_refused(value: bytes) -> None:
    assert "expected promotion.requested as in its schema" in refusal(*record(value))


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
    sentence = refusal(*record(value.encode(), ce_type=b"model.trained"))
    assert sentence.endswith("and 4 more")
    assert len(sentence) < 1500


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


def nested(levels: int) -> Any:
    """An empty list inside of others, so many in all."""
    return [] if levels == 1 else [nested(levels - 1)]


def test_what_is_as_deep_as_can_be_is_sent_and_read() -> None:
    event = trained(parameters={"a": nested(MAX_DEPTH - 2)})
    assert decode(*encode(event, source="ci")).event == event


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_deeper_reports_are_refused_on_both_sides(mode: str) -> None:
    event = trained(parameters={"a": nested(MAX_DEPTH - 1)})
    with pytest.raises(ValueError, match=f"more than {MAX_DEPTH} levels"):
        encode(event, source="ci")
    value = event.model_dump(mode="json")
    sent = {
        "binary": record(json.dumps(value).encode(), ce_type=b"model.trained"),
        "structured": structured(value, type="model.trained"),
    }
    assert refusal(*sent[mode]) == f"expected at most {MAX_DEPTH} levels of lists and objects, found more: flatten it"


def test_a_deeper_fact_is_read_because_it_was_published_before_there_was_a_limit() -> None:
    fact = RetrainingRequested.model_validate(
        {
            "model": "fraud",
            "retraining": "8a9c1f6e-52d3-4b8e-9a45-2f6d0c9b7e11",
            "version": 1,
            "requested_at": "2026-03-02T12:00:00Z",
            "why": "drift",
            "parameters": {"a": nested(150)},
        }
    )
    assert decode(*encode(fact, source="modelog")).event == fact


def test_an_unreadable_record_names_its_cause_where_source_and_id_can_be_read() -> None:
    deep = json.dumps(trained(parameters={"a": nested(MAX_DEPTH)}).model_dump(mode="json")).encode()
    _, good, headers = record()
    for key, value, changed in [
        record(b"{"),
        record(ce_type=b"model.exploded"),
        record(ce_type=None),
        record(b" " * (MAX_FACT_BYTES + 1)),
        record(b" " * (MAX_EVENT_BYTES + 1)),
        record(b'{"by": "\\u0000"}'),
        record(deep, ce_type=b"model.trained"),
        (None, None, headers),
        (b"churn", good, headers),
        structured("text"),
        structured({}),
        structured(type="model.exploded"),
        structured(type=None),
        (None, structured()[1].replace(b'"data"', b'"date"'), structured()[2]),
    ]:
        with pytest.raises(Unreadable) as raised:
            decode(key, value, changed)
        assert raised.value.cause == cause_of("ci", "1"), raised.value


def test_a_reader_may_find_a_message_unreadable_and_name_its_cause() -> None:
    cause = cause_of("ci", "1")
    assert (Unreadable("not on this topic", cause).cause, Unreadable("not on this topic").cause) == (cause, None)


def test_an_unreadable_record_without_a_valid_source_and_id_has_no_cause() -> None:
    for key, value, headers in [
        record(b"{", ce_id=None),
        record(b"{", ce_source=b""),
        record(b"{", ce_id=b"x" * (MAX_ATTRIBUTE_CHARS + 1)),
        structured({}, source=None),
        structured({}, id=[1]),
        (b"fraud", b"{", structured()[2]),
        (b"fraud", b"[]", structured()[2]),
    ]:
        with pytest.raises(Unreadable) as raised:
            decode(key, value, headers)
        assert raised.value.cause is None


def test_names_from_outside_are_escaped_in_the_sentence() -> None:
    value = trained().model_dump(mode="json") | {"metrics": {"\x1b[2J\n\u202e": "x"}, "answers": "\x1b"}
    sentence = refusal(*record(json.dumps(value).encode(), ce_type=b"model.trained"))
    assert "metrics.\\x1b[2J\\n\\u202e: Input should be a valid number" in sentence
    assert sentence.isprintable()


def test_a_megabyte_of_wrong_items_is_refused_with_the_first_and_of_wrong_metrics_with_their_number() -> None:
    start = b'{"model": "fraud", "run": "r", '
    files = start + b'"artifact": {"files": [' + b",".join([b"{}"] * 300_000) + b"]}}"
    assert "artifact.files.0.path: Field required" in refusal(*record(files, ce_type=b"model.trained"))
    assert "artifact.files.1" not in refusal(*record(files, ce_type=b"model.trained"))
    metrics = start + b'"artifact": {}, "metrics": {%s}}' % b",".join(b'"%d": "x"' % n for n in range(50_000))
    assert refusal(*record(metrics, ce_type=b"model.trained")).endswith("found 50000 problems")
