"""Messages of pipelines, monitors and people at a steady rate, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import stamina
from modelog import Artifact, Event, NotPublished, Registry
from modelog.events import DriftDetected, ModelTrained, PromotionRequested, RetirementRequested

from tests.e2e.installation import Installation

GARBAGE = {
    b"{": "Invalid JSON",
    b'{"model": "model-00", "run": 1}': "run: Input should be a valid string",
    b"\x00\xff": "Invalid JSON",
    b'{"model": "a/b", "run": "r", "artifact": {}}': "a model's name has",
}

CONFLICTS = (17, 33, 45, 57, 71)
"""Of 80 messages those that are sent again with other content: a message of each type among them."""
OTHER_CONTENT: dict[str, dict[str, object]] = {
    "model.trained": {"run": "another run"},
    "promotion.requested": {"reason": "another reason"},
    "retirement.requested": {"reason": "another reason"},
    "drift.detected": {"score": 0.5},
}

MAX_UNACKNOWLEDGED = 300
"""While so many messages wait for Kafka, no more are sent: each of them tries five times a second."""


class Load:
    """Sends while it is `running`. `sent` and `garbage` have what Kafka acknowledged, by id and by key.

    `conflicts` are the ids that were sent again with other content; without `conflicts` there are none, for services
    that do not compare it.
    """

    def __init__(
        self, installation: Installation, files: Path, rate: float, models: int = 50, *, conflicts: bool = True
    ) -> None:
        self.installation = installation
        self.files = files
        self.rate = rate
        self.models = [f"model-{n:02}" for n in range(models)]
        self.random = random.Random(4)
        self.sent: dict[str, Event] = {}
        self.garbage: dict[bytes, str] = {}
        self.conflicts: set[str] = set()
        self.conflicting = CONFLICTS if conflicts else ()
        self.numbers = itertools.count()
        self.artifacts: list[Artifact] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send for the time of the block; afterwards every message is acknowledged, unless the block has failed."""
        stopping = asyncio.Event()
        sending = asyncio.create_task(self._send_until(stopping))
        try:
            yield
        except BaseException:
            sending.cancel()
            raise
        finally:
            stopping.set()
            with suppress(asyncio.CancelledError):
                await sending

    async def _send_until(self, stopping: asyncio.Event) -> None:
        self.artifacts = self.artifacts or await asyncio.to_thread(self._upload)
        due, waiting = time.monotonic(), asyncio.Semaphore(MAX_UNACKNOWLEDGED)

        async def send(number: int) -> None:
            try:
                await self._send(registry, number)
            finally:
                waiting.release()

        async with self.installation.registry() as registry, asyncio.TaskGroup() as sending:
            while not stopping.is_set():
                await waiting.acquire()
                sending.create_task(send(next(self.numbers)))
                due = max(due + 1 / self.rate, time.monotonic())
                await asyncio.sleep(due - time.monotonic())

    def trained(self) -> int:
        """The number of acknowledged runs."""
        return sum(isinstance(event, ModelTrained) for event in self.sent.values())

    def _upload(self) -> list[Artifact]:
        uploaded = []
        for n in range(4):
            path = self.files / f"model-{n}.pkl"
            path.write_bytes(b"\x80\x04" + bytes([n]) * n + b"N.")
            uploaded.append(self.installation.settings.store().upload(path))
        return uploaded

    async def _send(self, registry: Registry, number: int) -> None:
        if number % 50 == 49:
            await self._send_garbage(registry, number)
        event = self._event(number)
        for _ in range(2 if number % 100 == 7 else 1):
            await _until_published(lambda: registry.publish(event, id=str(number)))
        self.sent[str(number)] = event
        if number % 80 in self.conflicting:
            other = event.model_copy(update=OTHER_CONTENT[event.type])
            await _until_published(lambda: registry.publish(other, id=str(number)))
            self.conflicts.add(str(number))

    async def _send_garbage(self, registry: Registry, number: int) -> None:
        value, reason = list(GARBAGE.items())[number // 50 % len(GARBAGE)]
        key = f"garbage-{number}".encode()
        headers = [("ce_type", b"model.trained"), ("ce_id", key), ("ce_source", b"/garbage")]
        sender = registry._sender
        assert sender
        await _until_published(lambda: sender.send(f"{self.installation.prefix}model.trained", key, value, headers))
        self.garbage[key] = reason

    def _event(self, number: int) -> Event:
        model = self.random.choice(self.models)
        version = self.random.randint(1, 2 + number // (2 * len(self.models)))
        match number % 20:
            case 3 | 11:
                drifted = self.random.random() < 0.8
                return DriftDetected(
                    model=model, version=version, detector="ks", score=0.4, threshold=0.1, drifted=drifted
                )
            case 5:
                stage = self.random.choice(("production", "staging", "nowhere"))
                return PromotionRequested(model=model, version=version, stage=stage, by="ada")
            case 13:
                return RetirementRequested(model=model, version=version, by="grace")
            case _:
                f1 = self.random.choice((float("nan"), *(0.5 + self.random.random() / 2 for _ in range(9))))
                artifact = self.random.choice(self.artifacts)
                return ModelTrained(model=model, run=f"run-{number}", artifact=artifact, metrics={"f1": f1})


async def _until_published(publish: Callable[[], Awaitable[object]]) -> None:
    async for attempt in stamina.retry_context(
        on=NotPublished, attempts=None, timeout=None, wait_initial=0.2, wait_max=0.2, wait_jitter=0
    ):
        with attempt:
            await publish()


@asynccontextmanager
async def running_load(
    installation: Installation, files: Path, rate: float, models: int = 50, *, conflicts: bool = True
) -> AsyncIterator[Load]:
    """A load for the time of the block; afterwards every message is acknowledged."""
    load = Load(installation, files, rate, models, conflicts=conflicts)
    async with load.running():
        yield load
