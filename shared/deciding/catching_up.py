"""What a decider knows of streams, brought up to what the log has: in pages of bytes and in slices of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar
from uuid import UUID

import structlog
from prometheus_client import Counter

from shared.deciding.history import History
from shared.deciding.slices import Slices
from shared.deciding.snapshots import Snapshots
from shared.domain.command import CausedCommand
from shared.domain.decider import Decider
from shared.log import Log, Reader, read_fact

logger = structlog.get_logger()
snapshots_refused = Counter("modelog_snapshots_refused", "Snapshots that somebody else wrote", ["decider"])

MAX_PAGE_BYTES = 512 * 1024
"""About so much is read from the log at once, however many streams are unknown and however long they are."""

S = TypeVar("S")


class Batch(Generic[S]):
    """Some streams while commands for them are answered.

    `known` has what is known of each stream. `answered` has the causes that it is known to have answered, each with the
    digest of what was answered: all those of the commands whose answer `known` may have.
    """

    def __init__(self, decider: Decider[S, Any], snapshots: Snapshots[S], known: dict[str, History[S]]) -> None:
        self.decider = decider
        self.snapshots = snapshots
        self.reader = Reader(decider.name, snapshots.fold, decider.source, [fact.type for fact in decider.remembers])
        self.known = known
        self.answered: dict[str, dict[UUID, str | None]] = {stream: {} for stream in known}
        self.slices = Slices()

    async def catch_up(self, log: Log, commands: Mapping[str, Sequence[CausedCommand[Any]]]) -> None:
        """Read what the log has by now of the streams of these commands.

        A history whose last fact is not in the log is dropped, and the stream is read again.
        """
        causes = [(stream, caused.cause.id) for stream, some in commands.items() for caused in some]
        remaining = await self._read_page(log, list(commands), causes)
        if remaining:
            while remaining:
                remaining = await self._read_page(log, remaining)
            # Again: a later page may have been read behind an answer that the first page did not see.
            await self._read_page(log, [], causes)
        if conflicts := list(self._conflicts(commands)):
            await self._read_page(log, [], conflicts)

    def _conflicts(self, commands: Mapping[str, Sequence[CausedCommand[Any]]]) -> Iterator[tuple[str, UUID]]:
        for stream, some in commands.items():
            if answered := self.answered[stream]:
                causes = [caused.cause for caused in some]
                yield from ((stream, c.conflict.id) for c in causes if c.conflicts_with(answered.get(c.id)))

    async def _read_page(
        self, log: Log, streams: Sequence[str], causes: Sequence[tuple[str, UUID]] = ()
    ) -> Sequence[str]:
        """Take the rows of a page, and return the streams that are not read to their end."""
        rows = await log.catch_up(
            self.reader, {stream: self.known[stream] for stream in streams}, causes, MAX_PAGE_BYTES
        )
        for row in rows:
            if row["what"] == "more" or not self._take(row):
                return streams[streams.index(row["stream"]) :]
            await self.slices.pause()
        return []

    def _take(self, row: Mapping[str, Any]) -> bool:
        """Whether it could be taken; after a snapshot that could not, no snapshots are read."""
        stream = row["stream"]
        match row["what"]:
            case "answered":
                self.answered[stream][row["cause"]] = row["digest"]
            case "fact":
                known = self.known[stream]
                state, data = known.state, row["data"]
                if data is not None:
                    state = self.decider.evolve(state, read_fact(row["kind"], data))
                self.known[stream] = History(state, row["version"], row["position"], row["id"], known.snapshot_version)
            case "snapshot":
                history = self.snapshots.opened(row)
                if history is None:
                    snapshots_refused.labels(self.decider.name).inc()
                    logger.warning("somebody else wrote this snapshot", stream=stream, decider=self.decider.name)
                    self.reader = replace(self.reader, fold=None)
                    return False
                self.known[stream] = history
            case "restart":
                lost = self.known[stream].version
                logger.warning("the log has lost facts", stream=stream, decider=self.decider.name, version=lost)
                self.known[stream] = History(self.decider.initial)
        return True
