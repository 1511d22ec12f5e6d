"""Every form of CloudEvents that SDKs send is read; the records are what each of them puts on the wire."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import datetime, timezone
from typing import Any

import pytest
from modelog.envelope import Message, Unreadable, cause_of, decode
from modelog.modes import source_and_id

from tests.sdk.envelopes import REQUEST, record

AT = datetime(2026, 1, 5, 9, 0, 0, 250000, tzinfo=timezone.utc)
MESSAGE = Message(REQUEST, "1", "ci", AT, actor="u-4711")
DATA = b'{"model":"fraud","version":7,"by":"mira"}'
TEXT = json.dumps(DATA.decode()).encode()
START = b'{"specversion":"1.0","id":"1","source":"ci","type":"promotion.requested","actor":"u-4711",'
TIME = b'"time":"2026-01-05T09:00:00.25Z",'
PLAIN = START + TIME + b'"datacontenttype":"application/json","data":' + DATA + b"}"
BASE64 = START + TIME + b'"datacontenttype":"application/json","data_base64":"' + b64encode(DATA) + b'"}'
GO_TIME = b'"time":"2026-01-05T09:00:00.250000001Z",'
BINARY = [("ce_id", b"1"), ("ce_source", b"ci"), ("ce_type", b"promotion.requested"), ("ce_actor", b"u-4711")]
CE = b"application/cloudevents+json"


def binary(time: bytes, content_type: bytes | None, **more: bytes) -> list[Any]:
    headers = [*BINARY, ("ce_specversion", b"1.0"), ("ce_time", time), *more.items()]
    return headers if content_type is None else [*headers, ("content-type", content_type)]


FORMS: dict[str, tuple[bytes, list[Any]]] = {
    "Go, binary": (DATA, binary(b"2026-01-05T09:00:00.250000001Z", b"application/json")),
    "Go, structured": (START + GO_TIME + b'"data":' + DATA + b"}", [("content-type", CE)]),
    "Go, structured from bytes": (BASE64, [("content-type", CE)]),
    "Java, binary": (DATA, binary(b"2026-01-05T09:00:00.25Z", None, ce_partitionkey=b"fraud")),
    "Java, structured": (PLAIN, [("content-type", CE)]),
    "JavaScript, binary": (DATA, binary(b"2026-01-05T09:00:00.250Z", b"application/json; charset=utf-8")),
    "JavaScript, structured": (PLAIN, [("content-type", CE + b"; charset=utf-8")]),
    "JavaScript, a text": (START + TIME + b'"data":' + TEXT + b"}", [("Content-Type", CE + b"; charset=utf-8")]),
    "Python v1, binary": (DATA, binary(b"2026-01-05T09:00:00.250000+00:00", None)),
    "Python v1, structured": (PLAIN, []),
    "Python v1, structured with a type": (PLAIN, [("content-type", b"application/json")]),
    "Python v1, structured from bytes": (BASE64, [("content-type", b"application/json")]),
    "in upper case": (PLAIN, [("CONTENT-TYPE", b" Application/CloudEvents+JSON ;charset=UTF-8".strip())]),
    "with spaces": (json.dumps(json.loads(PLAIN), indent=2).encode(), [("content-type", b"text/plain")]),
    "a batch of one": (b"[" + PLAIN + b"]", [("content-type", b"application/cloudevents-batch+json")]),
    "a batch of one without a type": (b"[" + PLAIN + b"]", []),
}
each = pytest.mark.parametrize("form", FORMS)


@each
def test_a_form_is_read(form: str) -> None:
    value, headers = FORMS[form]
    for key in (b"fraud", None):
        assert decode(key, value, headers, strict=True) == MESSAGE


@each
def test_its_source_and_id_are_found_also_in_a_record_that_cannot_be_read(form: str) -> None:
    value, headers = FORMS[form]
    assert source_and_id(value, headers) == ("ci", "1")
    with pytest.raises(Unreadable) as raised:
        decode(b"another model", value, headers)
    assert raised.value.cause == cause_of("ci", "1")


def refusal(value: bytes, headers: list[Any]) -> str:
    with pytest.raises(Unreadable) as raised:
        decode(b"fraud", value, headers)
    return str(raised.value)


def test_headers_of_binary_mode_come_before_a_guess() -> None:
    """Also where the data has a field that is named like an attribute."""
    value = DATA[:-1] + b',"specversion":"1.0"}'
    assert decode(b"fraud", value, binary(b"", b"application/json")).event == REQUEST


def test_plain_json_without_an_envelope_is_no_event() -> None:
    assert "expected the event's type in the header `ce_type`" in refusal(DATA, [("content-type", b"application/json")])


def test_several_events_in_a_record_are_refused_with_what_to_do() -> None:
    sentence = refusal(b"[" + PLAIN + b"," + PLAIN + b"]", [])
    assert sentence.endswith("found a batch of 2: send each in a record of its own, with its model as the key")


def test_another_format_of_cloudevents_is_refused_with_what_to_send() -> None:
    assert "send JSON" in refusal(b"\x00", [("content-type", b"application/cloudevents+avro")])


@pytest.mark.parametrize("version", [b"0.3", b"", b"2.0"])
def test_another_version_of_cloudevents_is_refused(version: bytes) -> None:
    sentence = refusal(DATA, [("ce_specversion", version), *BINARY])
    assert "expected version 1.0 of CloudEvents" in sentence
    assert "expected version 1.0" in refusal(PLAIN.replace(b'"1.0"', b'"%s"' % version), [("content-type", CE)])


def test_a_record_that_names_no_version_is_read_as_before() -> None:
    assert decode(*record(ce_specversion=None)).event == REQUEST


@pytest.mark.parametrize("data", ["!", "e30", 7, None, ["e30="]])
def test_data_that_is_no_base64_is_refused(data: Any) -> None:
    value = json.dumps({**json.loads(START + b'"data_base64":0}'), "data_base64": data}).encode()
    assert "expected" in refusal(value, [("content-type", CE)])


def test_the_nul_character_is_found_in_data_that_is_packed() -> None:
    nul = json.dumps({**json.loads(DATA), "reason": "a\0"}).encode()
    for field, packed in (("data_base64", b64encode(nul).decode()), ("data", nul.decode())):
        value = json.dumps({**json.loads(START + b'"data":0}'), field: packed}).encode()
        assert "NUL" in refusal(value, [("content-type", CE)])


@pytest.mark.parametrize(("sent", "read"), [(7, "7"), (True, "true"), (False, "false"), (["a"], None), (None, None)])
def test_an_extension_may_be_a_number_or_a_truth(sent: Any, read: str | None) -> None:
    value = json.dumps({**json.loads(PLAIN), "actor": sent}).encode()
    assert decode(b"fraud", value, [("content-type", CE)]).actor == read


def test_percent_signs_are_text() -> None:
    assert decode(*record(ce_source="ci%20é".encode())).source == "ci%20é"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-05t09:00:00z", AT.replace(microsecond=0)),
        ("2026-01-05T09:00:00.25Z", AT),
        ("2026-01-05T09:00:00.250000999Z", AT),
        ("2026-01-05T10:00:00.250+01:00", AT),
        ("2026-01-05 08:30:00.25-00:30", AT),
        ("2026-01-05T08:59:60Z", AT.replace(microsecond=0)),
        ("2026-01-05T08:59:60.25z", AT),
        ("2026-01-05T09:00:61Z", None),
        ("2026-01-05T09:00:00", None),
        ("9999-12-31T23:59:60Z", None),
    ],
)
def test_a_time_is_read_in_every_form_of_its_standard(text: str, expected: datetime | None) -> None:
    assert decode(*record(ce_time=text.encode())).time == expected
