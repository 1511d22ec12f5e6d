"""The SDK and the log agree on which version serves a stage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from immutables import Map
from modelog import Message, ModelPromoted
from modelog._kafka.order import serving

from shared.domain.stages import after_promotion
from tests.sdk.promotions import promoted


async def each(messages: list[Message[ModelPromoted]]) -> AsyncIterator[Message[ModelPromoted]]:
    for message in messages:
        yield message


STAGES = st.sampled_from(["staging", "production", "shadow"])
MOVES = st.lists(st.tuples(st.integers(1, 4), STAGES, st.one_of(STAGES, st.just("development"))), max_size=8)


@given(MOVES, STAGES, st.randoms(use_true_random=False))
async def test_it_is_what_the_stages_of_the_log_say_in_whatever_order_facts_come(
    moves: list[tuple[int, str, str]], stage: str, random: Random
) -> None:
    facts = [
        promoted(sequence, version=version, stage=to, leaves=leaves)
        for sequence, (version, to, leaves) in enumerate(moves, 1)
    ]
    stages: Map[str, int] = Map()
    for fact in facts:
        stages = after_promotion(stages, fact.event, fact.event.version)
    shuffled = [*facts, *facts]
    random.shuffle(shuffled)
    found = await serving(each(shuffled), stage)
    assert (found.event.version if found else None) == stages.get(stage)
