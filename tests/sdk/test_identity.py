"""What identifies a message, its content, and a fact's place in the history."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelog.envelope import Message, cause_of, decode, encode
from modelog.events import Event, ModelTrained, PromotionRequested

from tests.sdk.envelopes import REQUEST, record, structured, trained
from tests.sdk.strategies import TEXT, events

HASHES = st.text(st.sampled_from("a#"), max_size=4)


def digest(event: Event) -> str:
    return Message(event, "1", "ci").digest


def shuffled(value: Any) -> Any:
    """The same value with the names of each object in the opposite order."""
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(HASHES, HASHES, HASHES, HASHES)
def test_two_messages_have_one_cause_only_if_source_and_id_are_equal(a: str, b: str, c: str, d: str) -> None:
    assert (cause_of(a, b) == cause_of(c, d)) == ((a, b) == (c, d))


@given(TEXT.filter(lambda source: "#" not in source), TEXT)
def test_a_cause_is_what_it_always_was_where_the_source_has_no_hash(source: str, id: str) -> None:
    assert cause_of(source, id) == uuid.uuid5(uuid.NAMESPACE_URL, f"{source}#{id}")


@given(events)
def test_the_same_content_has_the_same_digest_in_whatever_order_it_was_sent(event: Event) -> None:
    sent = shuffled(json.loads(event.model_dump_json()))
    assert digest(type(event).model_validate_json(json.dumps(sent, indent=1))) == digest(event)
    assert digest(decode(*encode(event, source="other")).event) == digest(event)


def test_the_order_of_names_inside_of_a_list_does_not_count_either() -> None:
    one, other = ({"layers": [{"a": 1, "b": 2}]}, {"layers": [{"b": 2, "a": 1}]})
    assert digest(trained(parameters=one)) == digest(trained(parameters=other))


@given(events, events)
def test_other_content_has_another_digest(one: Event, other: Event) -> None:
    same = (one.type, one.model_dump_json()) == (other.type, other.model_dump_json())
    assert (digest(one) == digest(other)) == same


@pytest.mark.parametrize(
    "changed",
    [{"metrics": {"auc": 0.8}}, {"parameters": {"layers": [2, 1]}}, {"parameters": {"layers": [1, 2], "lr": {}}}],
)
def test_a_small_difference_is_a_difference(changed: dict[str, Any]) -> None:
    fields = {"metrics": {"auc": 0.9}, "parameters": {"layers": [1, 2]}}
    assert digest(trained(**fields)) != digest(trained(**{**fields, **changed}))


def test_a_field_that_has_its_default_does_not_count_and_neither_does_a_field_that_is_not_known() -> None:
    sent = {"model": "fraud", "run": "r1", "artifact": {}, "description": "", "colour": "red"}
    assert digest(ModelTrained.model_validate_json(json.dumps(sent))) == digest(trained())


def test_the_type_of_an_event_counts() -> None:
    class PromotionRequestedAgain(PromotionRequested):
        """The same fields."""

    assert digest(PromotionRequestedAgain(model="fraud", version=7, by="mira")) != digest(REQUEST)


def test_a_digest_never_changes() -> None:
    """It is in the log, beside the answers."""
    event = trained(metrics={"b": 0.9, "a": float("nan")}, parameters={"lr": 1e-5, "é": {"z": 1, "y": [None, 1e16]}})
    assert digest(event) == "f00f4cb841da5da68afde72bebe8950a24e331a2033abc473707e30b2a7bfbfd"


@pytest.mark.parametrize(("epoch", "read"), [(b"2", 2), (b"-1", None), (b"x", None), (b"", None), (None, None)])
def test_the_epoch_of_a_fact_is_read(epoch: bytes | None, read: int | None) -> None:
    assert decode(*record(ce_epoch=epoch)).epoch == read


def test_an_epoch_is_written_and_read_in_both_modes() -> None:
    assert decode(*encode(REQUEST, source="modelog", sequence=7, epoch=2)).epoch == 2
    assert decode(*structured(epoch="2")).epoch == 2
