"""The name of a class is the type of its events, everywhere."""

from __future__ import annotations

import json

import pytest
from modelog.envelope import decode, encode
from modelog.events import BY_TYPE, EVENTS, Event, Fact, ModelTrained, RetirementRefused
from modelog.schemas import schema


class VersionTagsSet(Fact):
    """A type with three parts, as a newer SDK may have it."""

    version: int


def test_a_type_is_the_words_of_its_class_with_dots() -> None:
    assert (ModelTrained.type, RetirementRefused.type) == ("model.trained", "retirement.refused")


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_a_class_is_found_by_its_type(event: type[Event]) -> None:
    assert event.type.title().replace(".", "") == event.__name__
    assert BY_TYPE[event.type] is event


def test_a_type_may_have_three_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert VersionTagsSet.type == "version.tags.set"
    assert schema(VersionTagsSet)["$id"] == "urn:modelog:schema:version.tags.set"
    monkeypatch.setitem(BY_TYPE, VersionTagsSet.type, VersionTagsSet)
    event = VersionTagsSet(model="fraud", version=7)
    key, value, headers = encode(event, source="ci")
    assert (dict(headers)["ce_type"], dict(headers)["ce_subject"]) == (b"version.tags.set", b"fraud/7")
    assert decode(key, value, headers).event == event
    attributes = {"type": "version.tags.set", "id": "1", "source": "ci", "data": json.loads(value)}
    assert (
        decode(key, json.dumps(attributes).encode(), [("content-type", b"application/cloudevents+json")]).event == event
    )
