"""What is decided of the commands of a model where some look at bytes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from modelog.envelope import Message
from modelog.events import Fact, PromotionRequested
from modelog.policy import DEFAULT

from services.promotion.decision import Promote, promotion
from shared.deciding.answers import decide_all
from shared.deciding.service import Service
from shared.deciding.slices import Slices
from shared.domain.command import Cause, CausedCommand, Undecided
from shared.domain.looking import BytesProblem, BytesSeen, LookFirst
from shared.runtime.runtime import Context
from tests.examples import NOON, digest, registered, retired, validated
from tests.spec import given

FACTS: list[Fact] = [fact for version in (1, 2, 3) for fact in (registered(version), validated(version))]


def requested(version: int, stage: str = "production", id: str = "", **other: Any) -> CausedCommand[Promote]:
    request = PromotionRequested(model="fraud", version=version, stage=stage, by="ada")
    cause = Cause.of(Message(request, id or f"{version} {stage}", "/tests"))
    return CausedCommand(Promote("fraud", version, stage, "ada", "", DEFAULT, **other), cause)


async def decide(*commands: CausedCommand[Promote]) -> tuple[list[str], list[tuple[int, LookFirst | None]]]:
    """The kinds of the facts, and the versions that are not decided yet with their looks."""
    state = given(promotion, [*FACTS, retired(3)]).state
    _, entries, undecided = await decide_all(promotion, state, commands, {}, Slices())
    return [entry.kind for entry in entries], [(other.caused.command.version, other.look) for other in undecided]


async def test_what_is_before_the_first_look_is_decided_and_nothing_behind_it() -> None:
    kinds, undecided = await decide(requested(9), requested(1), requested(3))
    assert kinds == ["promotion.refused"]
    assert undecided == [(1, LookFirst(digest(1))), (3, None)]


async def test_all_looks_of_a_model_are_known_at_once_and_then_all_is_decided() -> None:
    commands = [requested(1), requested(2), requested(3), requested(2, "staging")]
    kinds, undecided = await decide(*commands)
    assert not kinds
    assert undecided == [(1, LookFirst(digest(1))), (2, LookFirst(digest(2))), (3, None), (2, LookFirst(digest(2)))]
    seen = [
        replace(caused, command=replace(caused.command, seen=BytesSeen(look.manifest) if look else None))
        for caused, (_, look) in zip(commands, undecided, strict=True)
    ]
    kinds, undecided = await decide(*seen)
    assert kinds == ["model.promoted", "model.promoted", "promotion.refused", "model.promoted"]
    assert not undecided


async def test_a_message_that_was_answered_needs_no_look() -> None:
    command = requested(1, seen=BytesSeen(digest(1)))
    kinds, undecided = await decide(command, requested(1))
    assert (kinds, undecided) == (["model.promoted"], [])


def test_what_was_seen_lately_needs_no_look() -> None:
    service = Service("promotion", promotion)
    gone = BytesProblem("missing object", "gone")
    lately = {digest(1): BytesSeen(digest(1)), digest(2): BytesSeen(digest(2), (gone,))}

    def look_up(command: Any, look: LookFirst, _: Context) -> Promote | None:
        return replace(command, seen=lately[look.manifest]) if look.manifest in lately else None

    async def look(*_: Any) -> Promote:
        raise AssertionError("expected no look")

    service.looks(look_up)(look)
    decider = service._looking_up(promotion, Context(NOON, DEFAULT, {}))
    state = given(promotion, [*FACTS, registered(4), validated(4)]).state
    answers = [decider.decide(state, requested(version).command) for version in (1, 2, 4)]
    assert [answer if isinstance(answer, LookFirst) else answer[0].type for answer in answers] == [
        "model.promoted",
        "promotion.refused",
        LookFirst(digest(4)),
    ]


async def test_commands_of_a_schedule_are_decided_when_their_bytes_were_looked_at() -> None:
    service, asked = Service("promotion", promotion), list[list[int]]()

    async def look(command: Promote, look: LookFirst, _: Context) -> Promote:
        return replace(command, seen=BytesSeen(look.manifest))

    async def answer(commands: Sequence[CausedCommand[Promote]]) -> list[Undecided[Promote]]:
        asked.append([caused.command.version for caused in commands])
        state = given(promotion, FACTS).state
        return (await decide_all(promotion, state, commands, {}, Slices()))[2]

    service.looks()(look)
    await service._looking(answer, Context(NOON, DEFAULT, {}))([requested(9), requested(1), requested(2)])
    assert asked == [[9, 1, 2], [1, 2]]
