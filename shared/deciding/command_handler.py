"""Answering: read what the log says, decide, append; and again for the streams that moved meanwhile."""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import orjson
import structlog
from modelog.envelope import MAX_FACT_BYTES, Message, Unreadable, derive_id
from modelog.events import BY_TYPE, Event, Fact

from shared.deciding.id_set import IdSet
from shared.deciding.snapshots import EVERY, History, Snapshots
from shared.domain.decider import Command, Decider
from shared.log import Append, Entry, Head, Log
from shared.runtime.errors import StreamTooBusy

log = structlog.get_logger()

ATTEMPTS = 50
"""How often a decision is taken anew on a stream that keeps moving."""

SLICE = 130
"""Streams whose facts are appended together."""
SURELY_FITS = MAX_FACT_BYTES // 400
"""Characters that Postgres cannot print as more than the largest fact: `e+` becomes 332 bytes, a character four."""

S = TypeVar("S")
C = TypeVar("C", bound=Command)


@dataclass(frozen=True, slots=True)
class CommandFromMessage(Generic[C]):
    """A command and the message that it comes from."""

    command: C
    message: Message[Event]


class CommandHandler(Generic[S, C]):
    """Turns commands into facts for one decider, keeping the histories it used last."""

    def __init__(self, log: Log, name: str, decider: Decider[S, C], histories: int = 10_000) -> None:
        self.log = log
        self.name = name
        self.source = f"/modelog/{name}"
        self.decider = decider
        self.kinds = [fact.type for fact in decider.remembers]
        self.most = histories
        self.histories: OrderedDict[str, History[S]] = OrderedDict()
        self.snapshots = Snapshots(log.pool, name, decider)
        self.snapping: asyncio.Task[None] | None = None

    async def answer(self, asked: Sequence[CommandFromMessage[C]]) -> dict[str, Head]:
        """Decide on every command, those of one model in order, and log the facts.

        Returns where the streams that facts were said in stand now. Raises StreamTooBusy when other writers kept
        moving a stream; nothing is lost by that, the same commands can be answered again.
        """
        open_: dict[str, list[CommandFromMessage[C]]] = {}
        for one in asked:
            open_.setdefault(one.command.model, []).append(one)
        async with self.log.turns.of(open_):
            return await self._answer(open_)

    async def _answer(self, open_: dict[str, list[CommandFromMessage[C]]]) -> dict[str, Head]:
        heads: dict[str, Head] = {}
        for _ in range(ATTEMPTS):
            await self._catch_up(open_)
            decided, done = await self._decide_and_append(open_)
            heads |= done
            for stream, (append, after) in decided.items():
                if stream in done:
                    self._keep(stream, after)
                if stream in done or not append.entries:
                    del open_[stream]
            if not open_:
                return heads
        raise StreamTooBusy(f"{', '.join(open_)} moved at each of {ATTEMPTS} attempts: ask again")

    async def _catch_up(self, streams: Iterable[str]) -> None:
        """Fold the facts that this service has not seen, in one query for all streams."""
        none = History(self.decider.initial, 0, IdSet(), 0)
        known = {stream: self.histories.get(stream) or none for stream in streams}
        if cold := [stream for stream, history in known.items() if history is none]:
            known |= await self.snapshots.read(cold)
        versions = {stream: history.version for stream, history in known.items()}
        for row in await self.log.tails(versions, self.kinds, self.source):
            history = known[row.stream]
            state, said = history.state, history.said
            if row.data is not None:
                state = self.decider.evolve(state, _fact(row.kind, row.data))
            if row.id is not None:
                said = said.add(row.id.bytes)
            known[row.stream] = History(state, row.version, said, history.kept)
        for stream, history in known.items():
            self._keep(stream, history)

    async def _decide_and_append(
        self, asked: Mapping[str, Sequence[CommandFromMessage[C]]]
    ) -> tuple[dict[str, tuple[Append, History[S]]], dict[str, Head]]:
        """Slice by slice: Postgres writes one while the next is decided, 7,500 reports a second instead of 5,300."""
        decided: dict[str, tuple[Append, History[S]]] = {}
        appending: list[asyncio.Task[dict[str, Head]]] = []
        streams = list(asked)
        for n in range(0, len(streams), SLICE):
            part = {stream: self._decide(stream, asked[stream]) for stream in streams[n : n + SLICE]}
            decided |= part
            appending.append(asyncio.create_task(self.log.append([append for append, _ in part.values()])))
            await asyncio.sleep(0)  # now it is sent
        return decided, {stream: head for heads in await asyncio.gather(*appending) for stream, head in heads.items()}

    def _decide(self, stream: str, commands: Sequence[CommandFromMessage[C]]) -> tuple[Append, History[S]]:
        history = self.histories[stream]
        state, said, entries = history.state, history.said, []
        for one in commands:
            id = self._id(one.message, 0)
            if id.bytes in said:
                continue
            facts = self.decider.decide(state, one.command)
            state = self.decider.after(state, facts)
            meta = self._meta(one.message) if facts else ""
            for step, fact in enumerate(facts):
                id = self._id(one.message, step) if step else id
                said = said.add(id.bytes)
                entries.append(Entry(fact.type, id, _data(fact), meta))
        after = History(state, history.version + len(entries), said, history.kept)
        return Append(stream, history.version, entries), after

    def _id(self, message: Message[Event], step: int) -> uuid.UUID:
        return derive_id(message.cause, f"{self.name}/{step}")

    def _meta(self, message: Message[Event]) -> str:
        meta = {
            "source": self.source,
            "cause": str(message.cause),
            "causation": message.id,
            "correlation": message.correlation or message.id,
            "actor": message.source,
            "schema": 1,
        }
        if message.traceparent:
            meta["traceparent"] = message.traceparent
        return orjson.dumps(meta).decode()

    def _keep(self, stream: str, history: History[S]) -> None:
        if history.version - history.kept >= EVERY and self.snapping is None:
            history = self.snapshots.sealed(history)
            self.snapping = asyncio.create_task(self._snap(stream, history))
        self.histories[stream] = history
        self.histories.move_to_end(stream)
        while len(self.histories) > self.most:
            self.histories.popitem(last=False)

    async def _snap(self, stream: str, history: History[S]) -> None:
        """Beside the answers, one at a time. One that could not be written is not missed: the next one will be."""
        try:
            await self.snapshots.keep(stream, history)
        except Exception as problem:
            log.warning("no snapshot was written", stream=stream, decider=self.name, problem=repr(problem))
        finally:
            self.snapping = None


def _data(fact: Fact) -> str:
    """The fact as JSON; raise Unreadable if the topic could not hold it as Postgres will print it."""
    data = fact.model_dump_json()
    if len(data) > SURELY_FITS and (printed := _printed(data)) > MAX_FACT_BYTES:
        raise Unreadable(
            f"expected an answer of at most {MAX_FACT_BYTES} bytes, found {fact.type} with up to {printed}: "
            "send fewer files, parameters or metrics, and numbers without large exponents"
        )
    return data


def _printed(data: str) -> int:
    """Bytes that jsonb can make of it: it puts a space behind every comma and colon, and prints 1e300 in full."""
    return len(data.encode()) + data.count(",") + data.count(":") + 330 * (data.count("e+") + data.count("e-"))


def _fact(kind: str, data: str) -> Fact:
    fact = BY_TYPE[kind].model_validate_json(data)
    assert isinstance(fact, Fact)
    return fact
