"""The story of the tumours model: three versions, some garbage, drift, a fourth version, and farewell to the first."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from modelog import (
    DriftRecorded,
    Event,
    Message,
    ModelPromoted,
    ModelRegistered,
    ModelRejected,
    ModelRetired,
    ModelTrained,
    ModelValidated,
    PlainRegistry,
    RetirementRefused,
    RetirementRequested,
    RetrainingRequested,
)

from examples import monitor, pipeline, proof
from examples.biopsies import MODEL
from examples.cast import Cast
from examples.ears import Ears, Heard
from examples.narrator import Narrator
from examples.pipeline import Recipe
from examples.sentences import tell as sentence
from examples.sentences import tone
from examples.trouble import Trouble
from shared.parking import producer
from stack import Addresses

E = TypeVar("E", bound=Event)

GARBAGE = b'{"model": "tumours", "run": 12, "artifact":'
EARLY = 250
"""So many biopsies there were at first; retraining has them all."""


async def tell(narrator: Narrator, cast: Cast, own: Addresses, patience: float) -> None:
    """Tell it from the first version to the table; raise Trouble at the first step that does not happen."""
    tempfile.tempdir = str(cast.folder("pipeline"))  # what is trained here is gone with the pipeline's own files
    ears = Ears(own.kafka, own.topic_prefix, patience)
    with PlainRegistry(source="demo") as registry:
        async with listening(ears):
            await Story(narrator, cast, own, ears, registry).tell()


@asynccontextmanager
async def listening(ears: Ears) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(ears.listen()), asyncio.create_task(ears.listen_to_parked())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    if failures := [end for end in ends if isinstance(end, Exception)]:
        raise Trouble(f"the demo could not listen, {failures[0]}")


@dataclass
class Story:
    """One method a scene, in the order in which they happen."""

    narrator: Narrator
    cast: Cast
    own: Addresses
    ears: Ears
    registry: PlainRegistry

    async def tell(self) -> None:
        await self.first_version()
        await self.better_version()
        await self.worse_version()
        await self.garbage()
        await self.drift()
        await self.farewell()
        await self.rebuilding()
        await self.looking_back()

    async def first_version(self) -> None:
        self.narrator.scene("Version 1: two trees, one question each. There is nothing better yet.")
        trained = await self.train(Recipe(trees=2, depth=1))
        await self.promoted(trained, trained.event.run, 1, replaces=None)

    async def better_version(self) -> None:
        self.narrator.scene("Version 2: fifty trees.")
        trained = await self.train(Recipe(trees=50, depth=4))
        await self.promoted(trained, trained.event.run, 2, replaces=1)

    async def worse_version(self) -> None:
        self.narrator.scene("Version 3: a single tree. Somebody wanted it small.")
        trained = await self.train(Recipe(trees=1, depth=3))
        await self.then(trained, ModelRegistered, run=trained.event.run, version=3)
        await self.then(trained, ModelRejected, version=3)

    async def garbage(self) -> None:
        self.narrator.scene("Garbage on model.trained. All that follows passes through the same partition, behind it.")
        began = time.time()
        out = producer(self.own.kafka)
        await out.start()
        try:
            await out.send_and_wait(f"{self.own.topic_prefix}{ModelTrained.type}", GARBAGE, key=MODEL.encode())
        finally:
            await out.stop()
        reason, at = await self.ears.hear_parked()
        self.narrator.said(at - began, "parked", reason, "bad")

    async def drift(self) -> None:
        self.narrator.scene("Drift: a scanner measures three tenths too long, and the monitor sees it.")
        drift = await asyncio.to_thread(monitor.watch, self.registry, 2, "mean radius", 1.3)
        self.say(drift, Heard(drift, _when(drift)))
        await self.then(drift, DriftRecorded, version=2)
        request = await self.then(drift, RetrainingRequested, version=2)
        trained = await self.then(drift, ModelTrained, answers=request.event.retraining)
        await self.promoted(drift, trained.event.run, 4, replaces=2)

    async def farewell(self) -> None:
        self.narrator.scene("Version 1 has served its time. Version 4 may not go, it serves.")
        await self.wish(
            RetirementRequested(model=MODEL, version=1, by="ada", reason="two better ones came"), ModelRetired
        )
        await self.wish(RetirementRequested(model=MODEL, version=4, by="ada", reason="a slip"), RetirementRefused)

    async def rebuilding(self) -> None:
        self.narrator.scene("The views are dropped and folded again from the log.")
        self.narrator.aside(await proof.rebuilt())

    async def looking_back(self) -> None:
        self.narrator.scene("What registry.version says in the end:")
        self.narrator.table(*await proof.versions(MODEL))

    async def train(self, recipe: Recipe) -> Message[ModelTrained]:
        trained = await asyncio.to_thread(pipeline.train, self.registry, recipe, author="ada", rows=EARLY)
        self.say(trained, Heard(trained, _when(trained)))
        return trained

    async def promoted(self, root: Message[Event], run: str, version: int, replaces: int | None) -> None:
        await self.then(root, ModelRegistered, run=run, version=version)
        await self.then(root, ModelValidated, version=version)
        await self.then(root, ModelPromoted, version=version, replaces=replaces)
        line, at = await self.cast.said("deployer", f"{MODEL}/{version} serves", self.ears.patience)
        self.narrator.said(at - _when(root), "the deployer", line)

    async def wish(self, wish: RetirementRequested, answer: type[Event]) -> None:
        wished = await asyncio.to_thread(self.registry.publish, wish)
        self.say(wished, Heard(wished, _when(wished)))
        await self.then(wished, answer, version=wish.version)

    async def then(self, root: Message[Event], type: type[E], **fields: object) -> Message[E]:
        heard = await self.ears.hear(type, **fields)
        self.say(root, heard)
        return heard.message

    def say(self, root: Message[Event], heard: Heard[Event]) -> None:
        event = heard.message.event
        self.narrator.said(heard.at - _when(root), event.type, sentence(event), tone(event))


def _when(message: Message[Event]) -> float:
    return message.time.timestamp() if message.time else time.time()
