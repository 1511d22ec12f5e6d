"""The messages that a service has taken and not answered, those of each model in their order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from modelog.envelope import Message
from modelog.events import Event

from shared.bus.open_records import OpenRecord
from shared.domain.decider import Command


@dataclass(eq=False)
class PendingMessage:
    """A message whose command is known, or will be when `task` is done."""

    opened: OpenRecord
    message: Message[Event]
    command: Command | None = None
    task: asyncio.Task[Command | None] | None = None

    @property
    def model(self) -> str:
        return self.message.event.model

    @property
    def is_ready(self) -> bool:
        return self.task is None or self.task.done()


class PendingMessages:
    """A queue for each model. A message is taken when its command is known and no message is before it."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[PendingMessage]] = {}
        self._ready: dict[str, None] = {}
        """The models whose first message is ready, in the order in which they became so."""

    @property
    def has_ready(self) -> bool:
        """Whether a message can be taken."""
        return bool(self._ready)

    @property
    def is_waiting(self) -> bool:
        """Whether the first message of a model waits for its command."""
        return any(queue[0].task is not None for queue in self._queues.values())

    def add(self, pending: PendingMessage) -> None:
        """Behind the others of its model."""
        self._queues.setdefault(pending.model, deque()).append(pending)
        self.note_ready(pending.model)

    def put_back(self, taken: Iterable[PendingMessage]) -> None:
        """Messages that were taken, in front of those of their models that came meanwhile."""
        for pending in reversed(list(taken)):
            self._queues.setdefault(pending.model, deque()).appendleft(pending)
            self.note_ready(pending.model)

    def note_ready(self, model: str) -> None:
        """The model's first message may have become ready, or another message may be the first."""
        queue = self._queues.get(model)
        if queue and queue[0].is_ready:
            self._ready[model] = None
        else:
            self._ready.pop(model, None)

    def take(self, most: int) -> list[PendingMessage]:
        """Remove up to `most` messages, those of a model as far as the first that is not ready."""
        taken: list[PendingMessage] = []
        while self._ready and len(taken) < most:
            model = next(iter(self._ready))
            queue = self._queues.get(model, deque())
            while queue and queue[0].is_ready and len(taken) < most:
                if (pending := queue.popleft()).opened.is_open:
                    taken.append(pending)
            if not (queue and queue[0].is_ready):
                del self._ready[model]
            if not queue:
                self._queues.pop(model, None)
        return taken

    def drop(self) -> None:
        """Forget the messages whose records are open no more, because their partitions were dropped."""
        for model, queue in list(self._queues.items()):
            if all(pending.opened.is_open for pending in queue):
                continue
            for pending in queue:
                if not pending.opened.is_open and pending.task is not None:
                    pending.task.cancel()
            if left := deque(pending for pending in queue if pending.opened.is_open):
                self._queues[model] = left
            else:
                del self._queues[model]
            self.note_ready(model)

    def close(self) -> None:
        """Forget all of them, and stop what makes their commands."""
        for queue in self._queues.values():
            for pending in queue:
                if pending.task is not None:
                    pending.task.cancel()
        self._queues.clear()
        self._ready.clear()
