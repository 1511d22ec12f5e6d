"""Limits of an envelope, and the errors of a record that is none. tests/sdk/test_envelope.py has the other rules."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from modelog.envelope import (
    MAX_ATTRIBUTE_CHARS,
    MAX_DEPTH,
    MAX_EVENT_BYTES,
    MAX_FACT_BYTES,
    Header,
    Unreadable,
    decode,
    encode,
)
from modelog.events import ModelTrained

from services.retraining.decision import retraining
from tests.examples import NOON, registered, trained


def sent(value: bytes | None = None, **attributes: str) -> Any:
    """The message that a record with these attributes is."""
    key, content, headers = encode(trained(), source="/test", id="1")
    names = {f"ce_{name}" for name in attributes}
    changed: list[Header] = [(name, text) for name, text in headers if name not in names]
    changed += [(f"ce_{name}", text.encode()) for name, text in attributes.items()]
    return decode(key, content if value is None else value, changed)


def unreadable(value: bytes | None = None, **attributes: str) -> str:
    with pytest.raises(Unreadable) as raised:
        sent(value, **attributes)
    return str(raised.value)


def of_size(size: int) -> ModelTrained:
    """A report of exactly so many bytes of JSON."""
    room = size - len(trained(description="").model_dump_json())
    return trained(description="x" * room)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock is not UTC's."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_an_event_of_exactly_the_most_bytes_is_sent_and_read() -> None:
    key, value, headers = encode(of_size(MAX_EVENT_BYTES), source="/test")
    assert len(value) == MAX_EVENT_BYTES
    assert len(decode(key, value, headers).event.model_dump_json()) == MAX_EVENT_BYTES


def test_a_larger_event_is_neither_sent_nor_read_and_the_error_has_the_limit() -> None:
    event = of_size(MAX_EVENT_BYTES + 1)
    with pytest.raises(ValueError, match=f"{MAX_EVENT_BYTES + 1} bytes of JSON, at most {MAX_EVENT_BYTES}"):
        encode(event, source="/test")
    assert f"at most {MAX_EVENT_BYTES} bytes, found {MAX_EVENT_BYTES + 1}" in unreadable(
        event.model_dump_json().encode()
    )


def test_no_value_above_the_limit_of_a_fact_is_parsed() -> None:
    error = unreadable(b"x" * (MAX_FACT_BYTES + 1))
    assert f"at most {MAX_FACT_BYTES} bytes, found {MAX_FACT_BYTES + 1}" in error
    assert f"at most {MAX_EVENT_BYTES} bytes, found {MAX_FACT_BYTES}" in unreadable(b"x" * MAX_FACT_BYTES)


def test_a_wrong_key_is_shown_in_60_bytes() -> None:
    _, value, headers = encode(trained(), source="/test")
    with pytest.raises(Unreadable, match=f"found b'{'k' * 60}': "):
        decode(b"k" * 61, value, headers)


@pytest.mark.parametrize(("problems", "more"), [(5, ""), (6, " and 1 more"), (7, " and 2 more")])
def test_five_problems_are_named_and_the_others_are_counted(problems: int, more: str) -> None:
    metrics = ", ".join(f'"m{number}": "x"' for number in range(problems))
    error = unreadable(b'{"model": "fraud", "run": "r", "artifact": {}, "metrics": {%s}}' % metrics.encode())
    assert error.count("metrics.m") == 5
    assert error.endswith(f"found 'x'{more}")


def test_parameters_as_deep_as_can_be_sent_are_read_again_from_the_pages_of_a_state() -> None:
    deepest: Any = []
    for _ in range(MAX_DEPTH - 3):
        deepest = [deepest]
    report = trained(parameters={"a": deepest})
    assert decode(*encode(report, source="/test")).event == report
    with pytest.raises(ValueError, match=f"more than {MAX_DEPTH} lists and objects"):
        encode(trained(parameters={"a": [deepest]}), source="/test")
    state = retraining.initial
    for version in range(1, 40):
        state = retraining.evolve(state, registered(version, parameters=report.parameters))
    pages = state.recipes.sealed()
    stored = pages.opened({number: block.raw for number, block in pages.blocks.items()}, len(pages))
    assert stored[1].parameters == report.parameters


@pytest.mark.parametrize(("problems", "found"), [(1000, "and 995 more"), (1001, "found 1001 problems")])
def test_more_than_1000_problems_are_only_counted(problems: int, found: str) -> None:
    metrics = ", ".join(f'"m{number}": "x"' for number in range(problems))
    error = unreadable(b'{"model": "fraud", "run": "r", "artifact": {}, "metrics": {%s}}' % metrics.encode())
    assert error.endswith(found)


@pytest.mark.parametrize("name", ["id", "source"])
def test_an_attribute_has_at_most_500_characters(name: str) -> None:
    longest: dict[str, Any] = {name: "x" * MAX_ATTRIBUTE_CHARS}
    assert getattr(sent(**longest), name) == longest[name]
    longer: dict[str, Any] = {name: longest[name] + "x"}
    assert f"500 characters in `ce_{name}`, found 501" in unreadable(**longer)


def test_an_unknown_type_is_shown_in_60_characters_beside_the_known_types() -> None:
    error = unreadable(type="x" * 61)
    assert "model.trained, model.registered, " in error
    assert error.endswith(f"found {'x' * 60!r}")


def test_a_wrong_field_is_named_by_its_path_and_shown_in_60_characters() -> None:
    error = unreadable(b'{"model": "fraud", "run": "r", "artifact": {"files": [{"path": "%s"}]}}' % (b"x" * 100))
    assert "artifact.files.0.size: Field required" in error
    assert "; artifact.files.0.sha256: Field required" in error
    wrong = unreadable(b'{"model": "fraud", "run": ["%s"], "artifact": {}}' % (b"y" * 100))
    assert f"run: Input should be a valid string, found {str(['y' * 100])[:60]!r}" in wrong


def test_a_long_path_to_a_wrong_field_is_cut_to_60_characters() -> None:
    error = unreadable(b'{"model": "fraud", "run": "r", "artifact": {}, "tags": {"%s": 7}}' % (b"z" * 100))
    assert f"tags.{'z' * 55}: Input" in error


def test_a_value_that_is_no_object_is_called_the_value() -> None:
    assert "found the value: Input should be an object" in unreadable(b"[]")


@pytest.mark.usefixtures("berlin")
def test_a_time_is_sent_and_read_in_utc_whatever_the_zone_of_the_machine() -> None:
    _, _, headers = encode(trained(), source="/test", time=NOON)
    assert ("ce_time", b"2026-03-03T12:00:00Z") in headers
    read = sent(time="2026-03-03T14:00:00+02:00").time
    assert (read, read.utcoffset()) == (NOON, timedelta())


@pytest.mark.usefixtures("berlin")
def test_an_event_without_a_time_is_sent_with_that_of_now() -> None:
    before, after = datetime.now(UTC), datetime.now(UTC) + timedelta(minutes=10)
    assert before <= sent().time <= after
