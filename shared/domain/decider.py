"""A decision as a value: what a question remembers, how a fact changes that, and what a command makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from modelog.events import Fact


class Command(Protocol):
    """Anything that asks something of one model."""

    @property
    def model(self) -> str: ...


S = TypeVar("S")
C = TypeVar("C", bound=Command)


@dataclass(frozen=True)
class Decider(Generic[S, C]):
    """Pure: told the time, the ids and the policy by the command; never reaches I/O.

    `remembers` names the facts that `evolve` looks at: no other fact is read from the log for this question. `says`
    names those that `decide` can answer.
    `decide` may answer nothing only where no later fact could change that answer, because nothing leaves no trace: a
    message delivered again later is decided again.
    """

    initial: S
    evolve: Callable[[S, Fact], S]
    decide: Callable[[S, C], Sequence[Fact]]
    remembers: frozenset[type[Fact]]
    says: tuple[type[Fact], ...]

    def after(self, state: S, facts: Iterable[Fact]) -> S:
        """The state once these facts have been said."""
        for fact in facts:
            state = self.evolve(state, fact)
        return state
