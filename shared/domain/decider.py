"""A decision as a value: the state it needs, how a fact changes that state, and which facts answer a command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from modelog.events import Fact

from shared.domain.looking import LookFirst


class Command(Protocol):
    """Anything that asks something of one model."""

    @property
    def model(self) -> str: ...


S = TypeVar("S")
C = TypeVar("C", bound=Command)


@dataclass(frozen=True)
class Decider(Generic[S, C]):
    """Pure: the command brings the time, the ids and the policy; no I/O is reached.

    `name` is part of each fact's id and source, so it never changes. `commands` are the types that `decide` takes,
    `remembers` the facts that `evolve` uses (no other fact is read from the log), `answers` those that `decide`
    returns. `decide` may return no facts only where no later fact could change that: no facts leave no trace, so the
    same message delivered again is decided again. It may return LookFirst in place of facts: bytes are looked at then,
    and the command is decided again with what was seen.
    """

    name: str
    initial: S
    evolve: Callable[[S, Fact], S]
    decide: Callable[[S, C], Sequence[Fact] | LookFirst]
    commands: tuple[type[C], ...]
    remembers: frozenset[type[Fact]]
    answers: tuple[type[Fact], ...]

    @property
    def source(self) -> str:
        """The source of its facts, in `meta` and on Kafka."""
        return f"/modelog/{self.name}"

    def after(self, state: S, facts: Iterable[Fact]) -> S:
        """The state after these facts."""
        for fact in facts:
            state = self.evolve(state, fact)
        return state
