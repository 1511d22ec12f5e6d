"""Appends that wait at the same time go to Postgres together.

A transaction costs as much as twenty-odd facts in it, so callers that append one fact each are served many times as
fast together (figures: docs/performance.md), and a single one as fast as alone: nobody waits for a timer, only for the
flush under way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.log.entries import Append, Head
from shared.runtime.errors import is_transient

MOST = 1_000
"""Facts in a flush, unless a single call brings more: above a few hundred, more of them make no fact cheaper."""


@dataclass
class Call:
    """The appends of one caller, one a stream, and where its answer will be."""

    appends: Sequence[Append]
    answer: asyncio.Future[dict[str, Head]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def facts(self) -> int:
        return sum(len(append.entries) for append in self.appends)

    def told(self, heads: Mapping[str, Head]) -> dict[str, Head]:
        """Its part of an answer; where another call's facts came right behind, the position is that of the last."""
        return {
            one.stream: Head(one.expected + len(one.entries), heads[one.stream].position)
            for one in self.appends
            if one.stream in heads
        }


class Coalescer:
    """Calls `write` with what waits, again and again until nothing does; one flush at a time."""

    def __init__(self, write: Callable[[Sequence[Append]], Awaitable[dict[str, Head]]]) -> None:
        self.write = write
        self.waiting: deque[Call] = deque()
        self.flushing: asyncio.Task[None] | None = None

    async def append(self, appends: Sequence[Append]) -> dict[str, Head]:
        """What `write` answers to these appends, one a stream; or raise what it raises."""
        call = Call(appends)
        self.waiting.append(call)
        if self.flushing is None:
            self.flushing = asyncio.create_task(self._flush())
        return await call.answer

    async def _flush(self) -> None:
        try:
            while self.waiting:
                calls, appends = self._take()
                await self._write(calls, appends)
        finally:
            self.flushing = None

    def _take(self) -> tuple[list[Call], list[Append]]:
        """The calls that go together, in the order they came, and their appends, one a stream.

        An append that follows on from another one's facts joins it: they are accepted together, or both have moved. One
        that was decided beside another on the same stream waits for the next flush, with its whole call.
        """
        calls: list[Call] = []
        left: deque[Call] = deque()
        heads: dict[str, Append] = {}
        facts = 0
        while self.waiting:
            call = self.waiting.popleft()
            if call.answer.cancelled():
                continue
            fits = not calls or facts + call.facts <= MOST
            if fits and all(_follows(heads.get(append.stream), append) for append in call.appends):
                calls.append(call)
                facts += call.facts
                for append in call.appends:
                    heads[append.stream] = _joined(heads.get(append.stream), append)
            else:
                left.append(call)
        self.waiting = left
        return calls, list(heads.values())

    async def _write(self, calls: Sequence[Call], appends: Sequence[Append]) -> None:
        try:
            heads = await self.write(appends)
        except Exception as problem:
            if len(calls) == 1 or is_transient(problem):
                for call in calls:
                    if not call.answer.done():
                        call.answer.set_exception(problem)
                return
            # One call among them is at fault; alone, each shows whether it is the one.
            for call in calls:
                await self._write([call], call.appends)
        else:
            for call in calls:
                if not call.answer.done():
                    call.answer.set_result(call.told(heads))


def _follows(head: Append | None, append: Append) -> bool:
    return head is None or append.expected == head.expected + len(head.entries)


def _joined(head: Append | None, append: Append) -> Append:
    return append if head is None else replace(head, entries=[*head.entries, *append.entries])
