"""The story of the tumours model: three versions, some garbage, drift, a fourth version, and farewell to the first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from modelog import (
    DriftDetected,
    DriftRecorded,
    Event,
    Message,
    ModelPromoted,
    ModelRegistered,
    ModelRejected,
    ModelRetired,
    ModelTrained,
    ModelValidated,
    Registry,
    RetirementRefused,
    RetirementRequested,
    RetrainingRequested,
)

from examples import MODEL, proof
from examples.errors import DemoError
from examples.listener import Heard, Listener
from examples.narrator import Narrator
from examples.processes import Player, Processes
from examples.sentences import tell as sentence
from examples.sentences import tone
from shared.bus.producer import make_producer as producer
from stack import Addresses

E = TypeVar("E", bound=Event)

GARBAGE = b'{"model": "tumours", "run": 12, "artifact":'


async def tell(narrator: Narrator, processes: Processes, own: Addresses, patience: float) -> None:
    """Tell it from the first version to the table; raise DemoError at the first step that does not happen."""
    listener = Listener(own.kafka, own.topic_prefix, patience)
    async with listening(listener), Registry(source="demo") as registry:
        deployer = await processes.play("deployer", patience=patience)
        pipeline = await processes.play("pipeline", "serve", patience=patience)
        narrator.progress("the pipeline and the deployer run, forked from one process that has imported scikit-learn")
        await Story(narrator, processes, own, listener, registry, deployer, pipeline).tell()


@asynccontextmanager
async def listening(listener: Listener) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(listener.listen()), asyncio.create_task(listener.listen_to_parked())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    if failures := [end for end in ends if isinstance(end, Exception)]:
        raise DemoError(f"the demo could not listen, {failures[0]}")


@dataclass
class Story:
    """One method a scene, in the order in which they happen."""

    narrator: Narrator
    processes: Processes
    own: Addresses
    listener: Listener
    registry: Registry
    deployer: Player
    pipeline: Player

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
        self.narrator.scene("Version 1 asks two questions. Nothing better is there yet.")
        trained = await self.train(trees=2, depth=1)
        await self.promoted(trained, trained.event.run, version=1, replaces=None)

    async def better_version(self) -> None:
        self.narrator.scene("Version 2 asks many more, and is better.")
        trained = await self.train(trees=50, depth=4)
        await self.promoted(trained, trained.event.run, version=2, replaces=1)

    async def worse_version(self) -> None:
        self.narrator.scene("Version 3 is a single tree. Somebody wanted it small.")
        trained = await self.train(trees=1, depth=3)
        await self.then(trained, ModelRegistered, run=trained.event.run, version=3)
        await self.then(trained, ModelRejected, version=3)

    async def garbage(self) -> None:
        self.narrator.scene("Garbage comes on model.trained, in front of all that follows about this model.")
        began = time.time()
        out = producer(self.own.kafka)
        await out.start()
        try:
            await out.send_and_wait(f"{self.own.topic_prefix}{ModelTrained.type}", GARBAGE, key=MODEL.encode())
        finally:
            await out.stop()
        reason, at = await self.listener.hear_parked()
        self.narrator.said(at - began, "parked", reason, "bad")

    async def drift(self) -> None:
        self.narrator.scene("A scanner measures three tenths too long: drift, and training anew with all data by now.")
        await self.run("monitor", "--version", "2", "--scale", "1.3")
        drift = (await self.listener.hear(DriftDetected, version=2)).message
        await self.then(drift, DriftDetected, version=2)
        await self.then(drift, DriftRecorded, version=2)
        request = await self.then(drift, RetrainingRequested, version=2)
        await self.says(self.pipeline, f"{MODEL}/2 is to be trained again", drift)
        trained = await self.then(drift, ModelTrained, answers=request.event.retraining)
        await self.promoted(drift, trained.event.run, version=4, replaces=2)

    async def farewell(self) -> None:
        self.narrator.scene("Version 1 may go. Version 4 may not, it serves.")
        await self.wish(
            RetirementRequested(model=MODEL, version=1, by="ada", reason="two better ones came"), ModelRetired
        )
        await self.wish(RetirementRequested(model=MODEL, version=4, by="ada", reason="by mistake"), RetirementRefused)

    async def rebuilding(self) -> None:
        self.narrator.scene("The views are dropped, and folded again from the log.")
        for report in await proof.rebuilt(self.listener.position, self.listener.patience):
            rows = "1 row" if report.digest.rows == 1 else f"{report.digest.rows} rows"
            told = f"{rows} from {report.facts} facts, equal to what was dropped: {report.digest.hashes}"
            self.narrator.said(report.seconds, f"registry.{report.view}", told, "good")

    async def looking_back(self) -> None:
        self.narrator.scene("What registry.version says in the end:")
        self.narrator.table(*await proof.versions(MODEL, self.listener.position, self.listener.patience))

    async def train(self, **recipe: int) -> Message[ModelTrained]:
        told = [text for name, value in recipe.items() for text in (f"--{name}", str(value))]
        run = await self.run("pipeline", "train", *told, "--rows", "250", "--author", "ada")
        trained = (await self.listener.hear(ModelTrained, run=run)).message
        return await self.then(trained, ModelTrained, run=run)

    async def run(self, *argv: str) -> str:
        self.narrator.command(*argv)
        player = await self.processes.play(*argv, patience=self.listener.patience)
        return await player.line(self.listener.patience)

    async def promoted(self, root: Message[Event], run: str, *, version: int, replaces: int | None) -> None:
        await self.then(root, ModelRegistered, run=run, version=version)
        await self.then(root, ModelValidated, version=version)
        await self.then(root, ModelPromoted, version=version, replaces=replaces)
        await self.says(self.deployer, f"{MODEL}/{version} serves", root)

    async def says(self, player: Player, beginning: str, root: Message[Event]) -> None:
        line = await player.line(self.listener.patience)
        if not line.startswith(beginning):
            raise DemoError(f"the {player.name} was to say `{beginning} …`, it said: {line}")
        self.narrator.said(time.time() - _when(root), f"the {player.name}", line)

    async def wish(self, wish: RetirementRequested, answer: type[Event]) -> None:
        wished = await self.registry.publish(wish)
        await self.then(wished, RetirementRequested, version=wish.version)
        await self.then(wished, answer, version=wish.version)

    async def then(self, root: Message[Event], type: type[E], **fields: object) -> Message[E]:
        """Tell what is heard next, and how long after the first message of its chain it was heard."""
        heard: Heard[E] = await self.listener.hear(type, **fields)
        event = heard.message.event
        self.narrator.said(heard.at - _when(root), event.type, sentence(event), tone(event))
        return heard.message


def _when(message: Message[Event]) -> float:
    return message.time.timestamp() if message.time else time.time()
