"""A command and its cause: what every decision answers, wherever the command comes from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar
from uuid import NAMESPACE_URL, UUID

from modelog.envelope import Message, derive_id
from modelog.events import Event, Fact

from shared.domain.decider import Command
from shared.domain.looking import LookFirst

C = TypeVar("C", bound=Command, covariant=True)


@dataclass(frozen=True, slots=True)
class Cause:
    """What a command comes from: a message from Kafka, or a tick of the clock.

    `id` names the cause: a stream answers it once. `causation` and `source` are the id and the source of the message,
    `correlation` is the id of the message that began the chain, `actor` the opaque id of who asked, if it is known.
    Reports and requests have the `digest` of their content: another with the same source and id is a conflict.
    `earlier_digest` is what older versions wrote for the same content, if that is another.
    """

    id: UUID
    causation: str
    source: str
    correlation: str
    actor: str | None = None
    traceparent: str | None = None
    type: str = ""
    digest: str | None = None
    earlier_digest: str | None = None

    @classmethod
    def of(cls, message: Message[Event]) -> Cause:
        """A message as a cause. Facts have no actor: what follows from a fact is decided by modelog itself."""
        by_itself = isinstance(message.event, Fact)
        return cls(
            message.cause,
            message.id,
            message.source,
            message.correlation or message.id,
            None if by_itself else message.actor,
            message.traceparent,
            message.event.type,
            None if by_itself else message.digest,
            None if by_itself else message.earlier_digest,
        )

    @classmethod
    def tick(cls, name: str, due: datetime, number: int = 0) -> Cause:
        """The run of a schedule as a cause; `due` is its time by Postgres's clock.

        `number` counts the commands of a run that are for the same model, from 0.
        """
        run = f"{name}@{due.isoformat()}"
        id = f"{run}/{number}"
        return cls(derive_id(NAMESPACE_URL, f"/modelog/schedule#{id}"), id, "/modelog/schedule", run)

    def conflicts_with(self, answered: str | None) -> bool:
        """Whether the content that was answered has another digest; where a digest is missing it counts as equal."""
        return self.digest is not None and answered not in (None, self.digest, self.earlier_digest)

    @property
    def conflict(self) -> Cause:
        """The cause of the answer that says so."""
        return replace(self, id=derive_id(self.id, self.digest or ""))


@dataclass(frozen=True, slots=True)
class CausedCommand(Generic[C]):
    """A command and what it comes from."""

    command: C
    cause: Cause


@dataclass(frozen=True, slots=True)
class Undecided(Generic[C]):
    """A command that is not decided yet: first come `look`, if it is not None, and the commands before it."""

    caused: CausedCommand[C]
    look: LookFirst | None = None
