"""Commands in, facts out: read what the log has, decide, append; and again for the streams that moved meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

import orjson
import structlog
from modelog.envelope import MAX_FACT_BYTES, Unreadable, derive_id
from modelog.errors import TransientError
from modelog.events import Fact

from shared.deciding.history import MAX_HISTORY_BYTES, Histories, History
from shared.deciding.id_set import IdSet
from shared.deciding.snapshots import SNAPSHOT_FACTS, Snapshots
from shared.domain.command import Cause, CausedCommand
from shared.domain.decider import Command, Decider
from shared.log import Append, Entry, Head, Log, read_fact
from shared.runtime.stream_locks import StreamLocks

logger = structlog.get_logger()

MAX_ATTEMPTS = 50
"""How often a decision is repeated on a stream that keeps moving."""
STREAMS_IN_APPEND = 130
"""Streams whose facts are appended together, while the next ones are decided."""
META_SCHEMA = 2
"""The shape of `meta`; docs/decisions/an-actor-is-an-opaque-id.md has its changes, and who raises it."""
SURELY_FITS_CHARS = MAX_FACT_BYTES // 400
"""Characters that Postgres cannot print as more than the largest fact: `e+` becomes 332 bytes, a character four."""

S = TypeVar("S")
C = TypeVar("C", bound=Command)
Commands = Mapping[str, Sequence[CausedCommand[C]]]
"""Commands by stream."""


class StreamTooBusy(TransientError):
    """A stream moved at every attempt."""


class CommandHandler(Generic[S, C]):
    """Answers the commands of one decider with facts, and keeps the histories that it used last."""

    def __init__(
        self, log: Log, decider: Decider[S, C], locks: StreamLocks | None = None, max_bytes: int = MAX_HISTORY_BYTES
    ) -> None:
        self.log = log
        self.decider = decider
        self.source = f"/modelog/{decider.name}"
        self.kinds = [fact.type for fact in decider.remembers]
        self.locks = locks or StreamLocks()
        self.histories: Histories[S] = Histories(max_bytes)
        self.snapshots = Snapshots(log.pool, decider)
        self.writing_snapshot: asyncio.Task[None] | None = None

    async def answer(self, commands: Sequence[CausedCommand[C]]) -> dict[str, Head]:
        """Decide on every command, those of one model in order, and append the facts.

        Returns the heads of the streams that got facts. Raises StreamTooBusy when other writers kept moving a stream;
        nothing is lost by that, the same commands can be answered again.
        """
        if not commands:
            return {}
        waiting: dict[str, list[CausedCommand[C]]] = {}
        for caused in commands:
            waiting.setdefault(caused.command.model, []).append(caused)
        heads: dict[str, Head] = {}
        async with self.locks.hold(waiting):
            known = await self._known(list(waiting))
            for _ in range(MAX_ATTEMPTS):
                await self._catch_up(list(waiting), known)
                decided, appended = await self._decide_and_append(waiting, known)
                heads |= appended
                for stream, (append, history) in decided.items():
                    if stream in appended or not append.entries:
                        self._keep(stream, history)
                        del waiting[stream]
                if not waiting:
                    return heads
        raise StreamTooBusy(f"{', '.join(waiting)} moved at each of {MAX_ATTEMPTS} attempts: try again")

    async def _known(self, streams: Sequence[str]) -> dict[str, History[S]]:
        """The histories of these streams: from memory, else from a snapshot, else empty."""
        known = {stream: history for stream in streams if (history := self.histories.get(stream))}
        if cold := [stream for stream in streams if stream not in known]:
            known |= dict.fromkeys(cold, History(self.decider.initial, 0, IdSet(), 0)) | await self.snapshots.read(cold)
        return known

    async def _catch_up(self, streams: Sequence[str], known: dict[str, History[S]]) -> None:
        """Fold the facts that came since into `known`, read in one query for all streams."""
        versions = {stream: known[stream].version for stream in streams}
        for row in await self.log.tails(versions, self.kinds, self.source):
            history = known[row.stream]
            state, answered = history.state, history.answered
            if row.data is not None:
                state = self.decider.evolve(state, read_fact(row.kind, row.data))
            if row.cause is not None:
                answered = answered.add(row.cause.bytes)
            known[row.stream] = History(state, row.version, answered, history.snapshot_version)

    async def _decide_and_append(
        self, commands: Commands[C], histories: Mapping[str, History[S]]
    ) -> tuple[dict[str, tuple[Append, History[S]]], dict[str, Head]]:
        """Postgres writes the facts of some streams while the next ones are decided; one write at a time."""
        decided: dict[str, tuple[Append, History[S]]] = {}
        heads: dict[str, Head] = {}
        writing: asyncio.Task[dict[str, Head]] | None = None
        streams = list(commands)
        try:
            for n in range(0, len(streams), STREAMS_IN_APPEND):
                some = {s: self._decide(s, commands[s], histories[s]) for s in streams[n : n + STREAMS_IN_APPEND]}
                decided |= some
                if writing is not None:
                    heads |= await writing
                writing = asyncio.create_task(  # noqa: RUF006  (awaited below, whatever happens)
                    self.log.append([append for append, _ in some.values()])
                )
                await asyncio.sleep(0)  # the query is sent before the next decision begins
            if writing is not None:
                heads |= await writing
        finally:
            if writing is not None and not writing.done():
                with suppress(Exception):
                    await writing
        return decided, heads

    def _decide(
        self, stream: str, commands: Sequence[CausedCommand[C]], history: History[S]
    ) -> tuple[Append, History[S]]:
        state, answered, entries = history.state, history.answered, list[Entry]()
        for caused in commands:
            cause = caused.cause
            if cause.id.bytes in answered:
                continue
            facts = self.decider.decide(state, caused.command)
            if not facts:
                continue
            state = self.decider.after(state, facts)
            answered = answered.add(cause.id.bytes)
            meta = self._meta(cause)
            for step, fact in enumerate(facts):
                entries.append(Entry(fact.type, derive_id(cause.id, f"{self.decider.name}/{step}"), _data(fact), meta))
        after = History(state, history.version + len(entries), answered, history.snapshot_version)
        return Append(stream, history.version, entries), after

    def _meta(self, cause: Cause) -> str:
        meta = {
            "source": self.source,
            "cause": str(cause.id),
            "causation": cause.causation,
            "causation_source": cause.source,
            "correlation": cause.correlation,
            "schema": META_SCHEMA,
        }
        if cause.actor:
            meta["actor"] = cause.actor
        if cause.traceparent:
            meta["traceparent"] = cause.traceparent
        return orjson.dumps(meta).decode()

    def _keep(self, stream: str, history: History[S]) -> None:
        if history.version - history.snapshot_version >= SNAPSHOT_FACTS and self.writing_snapshot is None:
            history = self.snapshots.sealed(history)
            self.writing_snapshot = asyncio.create_task(self._write_snapshot(stream, history))
        self.histories.keep(stream, history)

    async def _write_snapshot(self, stream: str, history: History[S]) -> None:
        """Beside the answers, one at a time. A failed write is logged, and the next snapshot is tried as usual."""
        try:
            await self.snapshots.write(stream, history)
        except Exception as error:
            logger.warning("no snapshot was written", stream=stream, decider=self.decider.name, error=repr(error))
        finally:
            self.writing_snapshot = None


def _data(fact: Fact) -> str:
    """The fact as JSON; raise Unreadable if the topic could not hold it as Postgres will print it."""
    data = fact.model_dump_json()
    if len(data) > SURELY_FITS_CHARS and (printed := _max_printed_bytes(data)) > MAX_FACT_BYTES:
        raise Unreadable(
            f"expected an answer of at most {MAX_FACT_BYTES} bytes, found {fact.type} with up to {printed}: "
            "send fewer files, parameters or metrics, and numbers without large exponents"
        )
    return data


def _max_printed_bytes(data: str) -> int:
    """Bytes that jsonb can make of it: it puts a space behind every comma and colon, and prints 1e300 in full."""
    return len(data.encode()) + data.count(",") + data.count(":") + 330 * (data.count("e+") + data.count("e-"))
