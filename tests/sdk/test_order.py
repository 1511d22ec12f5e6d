"""A subscription never goes back in the history of a model, whoever sends old facts again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelog import Event, Message, ModelRetired, ModelValidated, PromotionRequested, Registry
from modelog._kafka.order import Latest
from modelog.envelope import encode

from tests.sdk.reading import take, versions

PLACES = st.tuples(st.sampled_from([None, 1, 2]), st.integers(0, 3))


def fact(sequence: int | None, epoch: int | None = None, model: str = "fraud") -> Message[ModelRetired]:
    """The retirement of the version with the number of the position."""
    event = ModelRetired(model=model, version=sequence or 1, by="mira")
    return Message(event, str(sequence), "modelog", sequence=sequence, epoch=epoch)


@given(st.lists(PLACES, max_size=8))
def test_what_is_given_out_never_falls_by_epoch_and_sequence(places: list[tuple[int | None, int]]) -> None:
    latest, given_out = Latest(1), [(1, -1)]
    for epoch, sequence in places:
        place = (1 if epoch is None else epoch, sequence)
        assert latest.is_newer(fact(sequence, epoch)) == (given_out[-1] > place)
        given_out.append(max(place, given_out[-1]))


def test_another_model_and_another_type_have_a_history_of_their_own() -> None:
    latest, request = Latest(9), Message(PromotionRequested(model="fraud", version=1, by="mira"), "1", "ci", sequence=1)
    assert not latest.is_newer(fact(7))
    assert latest.is_newer(fact(6))
    assert not latest.is_newer(fact(6, model="churn"))
    assert not latest.is_newer(request)


def test_a_fact_without_a_position_is_always_given_out() -> None:
    latest = Latest(9)
    assert [latest.is_newer(fact(sequence)) for sequence in (7, None, 7)] == [False] * 3


def test_the_models_that_were_read_last_are_remembered() -> None:
    latest = Latest(2)
    for model in ("a", "b", "a", "c"):
        assert not latest.is_newer(fact(7, model=model))
    assert [latest.is_newer(fact(6, model=model)) for model in ("a", "c", "b")] == [True, True, False]


async def send(registry: Registry, *messages: Message[ModelRetired | ModelValidated]) -> None:
    """Publish facts as the relay does."""
    assert registry._sender
    for message in messages:
        key, value, headers = encode(
            message.event, source="modelog", id=message.id, sequence=message.sequence, epoch=message.epoch
        )
        await registry._sender.send(registry._prefix + message.event.type, key, value, headers)


@pytest.mark.integration
async def test_facts_that_a_replaced_relay_sends_late_are_passed_over(registry: Registry) -> None:
    await send(registry, fact(1), fact(2), fact(3, 1), fact(1), fact(2), fact(3), fact(4), fact(2, 2), fact(4))
    messages = registry.subscribe(ModelRetired, group=None, until="now")
    assert versions([message async for message in messages]) == [1, 2, 3, 3, 4, 2]
    assert messages.skipped == 0


@pytest.mark.integration
async def test_what_is_passed_over_is_committed_and_the_last_fact_comes_again(registry: Registry) -> None:
    await send(registry, fact(1), fact(2), fact(1), fact(3))
    messages = registry.subscribe(ModelRetired, group="ordered")
    assert versions(await take(messages, 3)) == [1, 2, 3]
    assert versions(await take(messages, 1)) == [3]
    assert versions(await take(registry.subscribe(ModelRetired, group="ordered"), 1)) == [3]


@pytest.mark.integration
async def test_a_read_of_several_types_can_be_sorted_as_the_log_is(registry: Registry) -> None:
    """Each type is in order; over types, only a read that has an end can be put in order."""
    facts: list[Message[ModelRetired | ModelValidated]] = []
    for sequence in range(1, 21):
        kind = ModelRetired(model="fraud", version=sequence, by="mira")
        other = ModelValidated(model="fraud", version=sequence, findings=(), policy="sha256:" + "0" * 64)
        facts.append(Message(other if sequence % 2 else kind, str(sequence), "modelog", sequence=sequence, epoch=1))
    await send(registry, *facts)
    read = registry.subscribe(ModelRetired, ModelValidated, group=None, until="now")
    messages: list[Message[Event]] = [message async for message in read]
    for kind_of_event in (ModelRetired, ModelValidated):
        own = [message.sequence or 0 for message in messages if isinstance(message.event, kind_of_event)]
        assert own == sorted(own)
    messages.sort(key=lambda message: (message.epoch or 1, message.sequence or 0))
    assert [message.sequence for message in messages] == list(range(1, 21))
