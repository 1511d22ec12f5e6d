"""Commands in, facts out: read what the log has, decide, append; and again for the streams that moved meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import structlog
from modelog.errors import TransientError

from shared.deciding.answers import decide_all
from shared.deciding.catching_up import Batch, snapshots_refused
from shared.deciding.history import MAX_HISTORY_BYTES, Histories, History
from shared.deciding.snapshots import Snapshots
from shared.domain.command import CausedCommand, Undecided
from shared.domain.decider import Command, Decider
from shared.log import Append, Head, Log
from shared.runtime.stream_locks import StreamLocks

logger = structlog.get_logger()

MAX_ATTEMPTS = 5
"""How often a batch is tried. From the second attempt on the streams are locked: a third is needed at most where a
stream had no facts, and so no row to be locked."""
MAX_TURN_SECONDS = 30.0
"""How long such an attempt may wait for other writers, and keep them waiting."""
STREAMS_IN_APPEND = 130
"""Streams whose facts are appended together, while the next ones are decided."""
S = TypeVar("S")
C = TypeVar("C", bound=Command)
Commands = Mapping[str, Sequence[CausedCommand[C]]]
"""Commands by stream."""


class StreamTooBusy(TransientError):
    """A stream moved at every attempt."""


@dataclass(frozen=True)
class Answered:
    """What became of commands: `heads` of the streams that got facts, and the commands that are not decided yet.

    The undecided commands of a model are all those from the first that must look at bytes, in their order.
    """

    heads: dict[str, Head] = field(default_factory=dict)
    undecided: list[Undecided[Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Decided(Generic[S]):
    """The decisions on the commands of one stream, before they are appended."""

    append: Append
    state: S
    undecided: list[Undecided[Any]]


class CommandHandler(Generic[S, C]):
    """Answers the commands of one decider with facts, and keeps the histories that it used last."""

    def __init__(
        self,
        log: Log,
        decider: Decider[S, C],
        locks: StreamLocks | None = None,
        max_bytes: int = MAX_HISTORY_BYTES,
        *,
        snapshot_key: bytes | None = None,
    ) -> None:
        self.log = log
        self.decider = decider
        self.locks = locks or StreamLocks()
        self.histories: Histories[S] = Histories(max_bytes)
        self.snapshots = Snapshots(log.pool, decider, snapshot_key)
        self.unwritten: dict[str, None] = {}
        self.writing_snapshot: asyncio.Task[None] | None = None
        snapshots_refused.labels(decider.name)

    async def answer(self, commands: Sequence[CausedCommand[C]]) -> Answered:
        """Decide on every command, those of one model in order, and append the facts.

        Raises a TransientError when other writers kept a stream too long; nothing is lost by that, the same commands
        can be answered again.
        """
        answered = Answered()
        if not commands:
            return answered
        waiting: dict[str, list[CausedCommand[C]]] = {}
        for caused in commands:
            waiting.setdefault(caused.command.model, []).append(caused)
        async with self.locks.hold(waiting):
            known = {stream: self.histories.get(stream) or History(self.decider.initial) for stream in waiting}
            batch = Batch(self.decider, self.snapshots, known)
            for attempt in range(MAX_ATTEMPTS):
                async with self._turn(waiting, attempt) as log:
                    await batch.catch_up(log, waiting)
                    decided, appended = await self._decide_and_append(log, waiting, batch, in_turn=attempt > 0)
                answered.heads.update(appended)
                for stream, decision in decided.items():
                    history, entries = batch.known[stream], decision.append.entries
                    if entries and stream not in appended:
                        continue
                    if entries:
                        head, last = appended[stream], entries[-1].id
                        history = History(decision.state, head.version, head.position, last, history.snapshot_version)
                    self._keep(stream, history)
                    answered.undecided.extend(decision.undecided)
                    del waiting[stream]
                if not waiting:
                    return answered
        raise StreamTooBusy(f"{', '.join(waiting)} moved at each of {MAX_ATTEMPTS} attempts: try again")

    @asynccontextmanager
    async def _turn(self, streams: Iterable[str], attempt: int) -> AsyncIterator[Log]:
        """The log; after a lost attempt in a transaction that keeps other writers of the streams waiting."""
        if attempt == 0:
            yield self.log
            return
        async with asyncio.timeout(MAX_TURN_SECONDS), self.log.locked(streams) as log:
            yield log

    async def _decide_and_append(
        self, log: Log, commands: Commands[C], batch: Batch[S], *, in_turn: bool
    ) -> tuple[dict[str, Decided[S]], dict[str, Head]]:
        """Postgres writes the facts of some streams while the next ones are decided; one write at a time.

        In a turn all is decided before anything is written: a write takes the horizon lock until the transaction ends.
        """
        decided: dict[str, Decided[S]] = {}
        heads: dict[str, Head] = {}
        writing: asyncio.Task[dict[str, Head]] | None = None
        streams = list(commands)
        size = len(streams) if in_turn else STREAMS_IN_APPEND
        try:
            for n in range(0, len(streams), size):
                some = {s: await self._decide(s, commands[s], batch) for s in streams[n : n + size]}
                decided |= some
                if writing is not None:
                    heads |= await writing
                writing = asyncio.create_task(log.append([decision.append for decision in some.values()]))
                await asyncio.sleep(0)  # the query is sent before the next decision begins
            if writing is not None:
                heads |= await writing
        finally:
            if writing is not None and not writing.done():
                with suppress(Exception):
                    await writing
        return decided, heads

    async def _decide(self, stream: str, commands: Sequence[CausedCommand[C]], batch: Batch[S]) -> Decided[S]:
        known, answered = batch.known[stream], batch.answered[stream]
        state, entries, undecided = await decide_all(self.decider, known.state, commands, answered, batch.slices)
        return Decided(Append(stream, known.version, entries), state, undecided)

    def _keep(self, stream: str, history: History[S]) -> None:
        if self.snapshots.is_due(history):
            history = replace(history, snapshot_version=history.version)
            self.unwritten[stream] = None
            self.writing_snapshot = self.writing_snapshot or asyncio.create_task(self._write_snapshots())
        self.histories.keep(stream, history)

    async def _write_snapshots(self) -> None:
        """Beside the answers, one at a time. A failed write is logged, and the next snapshot is tried as usual."""
        while self.unwritten:
            stream, _ = self.unwritten.popitem()
            if not (history := self.histories.get(stream)):
                continue
            try:
                # In a thread: a large state is compressed for longer than the loop may wait.
                sealed = await asyncio.to_thread(self.snapshots.sealed, history)
                await self.snapshots.write(stream, sealed)
                if self.histories.get(stream) is history:
                    self.histories.keep(stream, sealed)
            except Exception as error:
                logger.warning("no snapshot was written", stream=stream, decider=self.decider.name, error=repr(error))
        self.writing_snapshot = None
