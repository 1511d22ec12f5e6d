"""What a record of the topic `parked` says; anybody may have written it."""

from __future__ import annotations

import json
from uuid import NAMESPACE_URL, uuid5

import pytest
from aiokafka import ConsumerRecord

from shared.bus.parked_records import Headers, ParkedRecord, Place, digest_of, read_mark, read_parked

ADDED = [
    ("parked_service", b"ingestion"),
    ("parked_topic", b"p.model.trained"),
    ("parked_partition", b"3"),
    ("parked_offset", b"17"),
    ("parked_at", b"2026-01-01T00:00:00+00:00"),
    ("parked_reason", b"expected JSON"),
]
OLD_CUT = b"expected JSON; parked without its value, for it is too large to be copied"


def record(value: bytes | None = b"{", headers: Headers = (), key: bytes | None = b"fraud") -> ConsumerRecord:
    return ConsumerRecord("p.parked", 0, 0, 0, 0, key, value, None, 0, 0, tuple(headers))


def read(value: bytes | None = b"{", headers: Headers = (), added: Headers = ADDED) -> ParkedRecord:
    found = read_parked(record(value, [*headers, *added]))
    assert found
    return found


def with_header(name: str, value: bytes) -> Headers:
    return [(other, value if other == name else text) for other, text in ADDED]


def test_a_parked_record_says_where_the_original_is_and_why_it_was_parked() -> None:
    found = read()
    assert found.place == Place("p.model.trained", 3, 17, "ingestion")
    assert Place.parse(str(found.place)) == found.place
    assert (found.reason, found.at.year) == ("expected JSON", 2026)


def test_its_digest_is_that_of_the_original_also_when_that_has_headers_named_like_those_of_parking() -> None:
    own: Headers = [("a", None), ("a", b"\xff"), ("parked_service", b"x"), ("Parked_Sent", b"y")]
    assert read(b"\xff", own).digest == digest_of(b"fraud", b"\xff", own) == read(b"\xff", own[:2]).digest


@pytest.mark.parametrize(
    "other",
    [(b"other", b"{", ()), (None, b"{", ()), (b"fraud", b"}", ()), (b"fraud", b"{", [("a", b"")])],
    ids=["key", "no key", "value", "header"],
)
def test_another_record_has_another_digest(other: tuple[bytes | None, bytes | None, Headers]) -> None:
    assert digest_of(*other) != digest_of(b"fraud", b"{", ())


@pytest.mark.parametrize("source", ["/pipelines", "a#b"])
def test_its_cause_is_that_of_the_message_in_binary_and_in_structured_mode(source: str) -> None:
    binary = read(headers=[("CE_id", b"7"), ("ce_source", source.encode())])
    envelope = json.dumps({"id": "7", "source": source}).encode()
    structured = read(envelope, [("content-type", b"application/cloudevents+json; charset=utf-8")])
    assert binary.cause == structured.cause
    assert (binary.source, binary.message_id) == (source, "7")
    if "#" not in source:
        assert binary.cause == uuid5(NAMESPACE_URL, f"{source}#7")


@pytest.mark.parametrize("value", [b"[" * 100_000, b"[]", b"\xff", b'{"id": null, "source": {}}', None])
def test_a_structured_record_that_is_no_event_has_no_cause(value: bytes | None) -> None:
    assert read(value, [("content-type", b"application/cloudevents+json")]).cause is None


def test_it_has_the_same_id_as_long_as_it_says_the_same() -> None:
    assert read().id == read().id
    others = [with_header("parked_offset", b"18"), with_header("parked_reason", b"another")]
    assert len({read().id, read(b"}").id, *(read(added=added).id for added in others)}) == 4


@pytest.mark.parametrize(
    "added",
    [
        [],
        ADDED[:1],
        with_header("parked_offset", b"-1"),
        with_header("parked_offset", b"9" * 19),
        with_header("parked_partition", b"9" * 10),
        with_header("parked_topic", b"a/b"),
        with_header("parked_topic", b"\x1b[31m"),
        with_header("parked_at", b"yesterday"),
        with_header("parked_at", b"2026-01-01"),
        with_header("parked_at", b"0001-01-01T00:00:00+14:00"),
    ],
)
def test_what_parking_never_says_says_nothing(added: Headers) -> None:
    assert read_parked(record(headers=added)) is None


@pytest.mark.parametrize(
    "added", [[*ADDED, ("parked_cut", b"1")], with_header("parked_reason", OLD_CUT)], ids=["now", "before"]
)
def test_what_was_too_large_to_be_copied_has_no_digest(added: Headers) -> None:
    assert read(added=added).digest is None


def test_a_text_that_postgres_cannot_store_is_changed() -> None:
    found = read(added=with_header("parked_reason", b"a\0\xff"), headers=[("ce_id", b"\0"), ("ce_source", b"s")])
    assert (found.reason, found.message_id) == ("a\ufffd\ufffd", "\ufffd")


def test_only_a_record_that_is_nothing_else_is_a_mark() -> None:
    mark = ("parked_sent", b"p.model.trained/3/17/ingestion")
    assert read_mark(record(None, [mark], b"parked_sent")) == Place("p.model.trained", 3, 17, "ingestion")
    others = [record(None, [mark]), record(b"{", [mark], b"parked_sent"), record(None, [mark, *ADDED], b"parked_sent")]
    assert [read_mark(other) for other in others] == [None, None, None]
