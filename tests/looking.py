"""Decisions on bytes, where a store is not what a test is about: every byte is there, unless it names problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from modelog.events import Fact

from shared.deciding.command_handler import CommandHandler
from shared.domain.command import CausedCommand
from shared.domain.decider import Decider
from shared.domain.looking import BytesProblem, BytesSeen, LookFirst


def decided(decider: Decider[Any, Any], state: Any, command: Any, *problems: BytesProblem) -> Sequence[Fact]:
    """The facts that answer a command, once its bytes were looked at."""
    facts = decider.decide(state, command)
    if isinstance(facts, LookFirst):
        facts = decider.decide(state, replace(command, seen=BytesSeen(facts.manifest, problems)))
    assert not isinstance(facts, LookFirst)
    return facts


async def answer_all(handler: CommandHandler[Any, Any], commands: Sequence[CausedCommand[Any]]) -> None:
    """Answer commands, and look at bytes wherever that comes first."""
    while undecided := (await handler.answer(commands)).undecided:
        commands = [
            replace(other.caused, command=replace(other.caused.command, seen=BytesSeen(other.look.manifest)))
            if other.look
            else other.caused
            for other in undecided
        ]


def missing(*sentences: str) -> tuple[BytesProblem, ...]:
    """A problem for each sentence."""
    return tuple(BytesProblem("missing object", sentence) for sentence in sentences)
