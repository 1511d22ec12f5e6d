"""The facts that answer commands, as entries of the log: their ids, and what `meta` has of their cause."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import orjson
from modelog.envelope import MAX_FACT_BYTES, Unreadable, derive_id
from modelog.events import Fact, MessageConflicted

from shared.deciding.slices import Slices
from shared.domain.command import Cause, CausedCommand, Undecided
from shared.domain.decider import Decider
from shared.domain.looking import LookFirst
from shared.domain.sentences import shown
from shared.log import Entry

META_SCHEMA = 3
"""The shape of `meta`; docs/decisions/an-actor-is-an-opaque-id.md has its changes, and who raises it."""
SURELY_FITS_CHARS = MAX_FACT_BYTES // 400
"""Characters that Postgres cannot print as more than the largest fact: `e+` becomes 332 bytes, a character four."""

TEXT_OR_LARGE_FLOAT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9][0-9.]*e\+[0-9]+')

S = TypeVar("S")


async def decide_all(
    decider: Decider[S, Any],
    state: S,
    commands: Sequence[CausedCommand[Any]],
    answered: Mapping[UUID, str | None],
    slices: Slices,
) -> tuple[S, list[Entry], list[Undecided[Any]]]:
    """The state and the entries after the commands of one stream, each cause answered once.

    A command whose decision must look at bytes first is not decided, nor are those behind it: they are returned, each
    with the look that it needs as far as this state tells, so that all of them are decided together the next time.
    `answered` are causes that were answered before, with the digest of what was answered. Other content with the same
    cause is answered by MessageConflicted, whatever the state is.
    """
    answered, entries = dict(answered), list[Entry]()
    for number, caused in enumerate(commands):
        await slices.pause()
        cause = caused.cause
        if cause.id not in answered:
            facts = decider.decide(state, caused.command)
            if isinstance(facts, LookFirst):
                return state, entries, [Undecided(other, _look(decider, state, other)) for other in commands[number:]]
            state = decider.after(state, facts)
        elif cause.conflicts_with(answered[cause.id]) and cause.conflict.id not in answered:
            cause = cause.conflict
            facts = [_conflicted(caused.command.model, cause)]
        else:
            continue
        if facts:
            answered[cause.id] = cause.digest
            entries += _entries(decider, caused.command.model, facts, cause)
    return state, entries, []


def _look(decider: Decider[S, Any], state: S, caused: CausedCommand[Any]) -> LookFirst | None:
    facts = decider.decide(state, caused.command)
    return facts if isinstance(facts, LookFirst) else None


def _entries(decider: Decider[Any, Any], model: str, facts: Sequence[Fact], cause: Cause) -> list[Entry]:
    meta = _meta(decider.source, cause)
    ids = (derive_id(cause.id, f"{decider.name}/{model}/{step}") for step in range(len(facts)))
    return [Entry(fact.type, id, as_stored(fact), meta) for id, fact in zip(ids, facts, strict=True)]


def _conflicted(model: str, cause: Cause) -> Fact:
    return MessageConflicted(
        model=model,
        message_type=cause.type,
        message_source=cause.source,
        message_id=cause.causation,
        sentence=f"a message with the source {shown(cause.source)} and the id {shown(cause.causation)} was answered "
        f"before, and this {cause.type} has other content: send it under another id",
    )


def _meta(source: str, cause: Cause) -> str:
    meta = {
        "source": source,
        "cause": str(cause.id),
        "causation": cause.causation,
        "causation_source": cause.source,
        "correlation": cause.correlation,
        "schema": META_SCHEMA,
    }
    if cause.digest:
        meta["digest"] = cause.digest
    if cause.actor:
        meta["actor"] = cause.actor
    if cause.traceparent:
        meta["traceparent"] = cause.traceparent
    return orjson.dumps(meta).decode()


def as_stored(fact: Fact) -> str:
    """The fact as JSON; raise Unreadable if the topic could not hold it as Postgres will print it."""
    data = fact.model_dump_json()
    if len(data) > SURELY_FITS_CHARS and (printed := _max_printed_bytes(data)) > MAX_FACT_BYTES:
        raise Unreadable(
            f"expected an answer of at most {MAX_FACT_BYTES} bytes, found {fact.type} with up to {printed}: "
            "send fewer files, parameters or metrics, and numbers without large exponents"
        )
    return TEXT_OR_LARGE_FLOAT.sub(_in_full, data) if "e+" in data else data


def _in_full(found: re.Match[str]) -> str:
    """A large float in digits with a fraction: jsonb prints 1e+16 without one, which would be read as an integer."""
    return found[0] if found[0].startswith('"') else f"{Decimal(found[0]):f}.0"


def _max_printed_bytes(data: str) -> int:
    """Bytes that jsonb can make of it: it puts a space behind every comma and colon, and prints 1e300 in full."""
    return len(data.encode()) + data.count(",") + data.count(":") + 330 * (data.count("e+") + data.count("e-"))
