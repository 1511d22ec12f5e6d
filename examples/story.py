"""The story of the tumours model: three versions, a bad record, drift, a fourth version, and a retirement."""

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
from examples.listener import Listener, Received
from examples.narrator import Narrator
from examples.processes import Example, Processes
from examples.sentences import sentence, tone
from shared.bus.producer import make_producer
from stack import Addresses

E = TypeVar("E", bound=Event)

BAD_RECORD = b'{"model": "tumours", "run": 12, "artifact":'


async def tell(narrator: Narrator, processes: Processes, addresses: Addresses, seconds: float) -> None:
    """Tell it from the first version to the table; raise DemoError when a step takes longer than `seconds`."""
    listener = Listener(addresses.kafka, addresses.topic_prefix, seconds)
    async with listening(listener), Registry(source="demo") as registry:
        deployer = await processes.start_example("deployer", seconds=seconds)
        pipeline = await processes.start_example("pipeline", "serve", seconds=seconds)
        narrator.progress("the pipeline and the deployer run, forked from a process that has imported scikit-learn")
        await Story(narrator, processes, addresses, listener, registry, deployer, pipeline).tell()


@asynccontextmanager
async def listening(listener: Listener) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(listener.read_events()), asyncio.create_task(listener.read_parked())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    if failures := [result for result in results if isinstance(result, Exception)]:
        raise DemoError(f"the demo could not read the topics: {failures[0]}")


@dataclass
class Story:
    """A method for each scene, in their order."""

    narrator: Narrator
    processes: Processes
    addresses: Addresses
    listener: Listener
    registry: Registry
    deployer: Example
    pipeline: Example

    async def tell(self) -> None:
        await self.first_version()
        await self.better_version()
        await self.worse_version()
        await self.bad_record()
        await self.drift()
        await self.retirement()
        await self.rebuild()
        await self.table()

    async def first_version(self) -> None:
        self.narrator.scene("Version 1 is a small forest of two trees. There is no better version yet.")
        trained = await self.train(trees=2, depth=1)
        await self.promoted(trained, trained.event.run, version=1, replaces=None)

    async def better_version(self) -> None:
        self.narrator.scene("Version 2 has fifty deeper trees, and is better.")
        trained = await self.train(trees=50, depth=4)
        await self.promoted(trained, trained.event.run, version=2, replaces=1)

    async def worse_version(self) -> None:
        self.narrator.scene("Version 3 is a single tree, and worse than version 2.")
        trained = await self.train(trees=1, depth=3)
        await self.then(trained, ModelRegistered, run=trained.event.run, version=3)
        await self.then(trained, ModelRejected, version=3)

    async def bad_record(self) -> None:
        self.narrator.scene("A broken record arrives on model.trained, in front of the next records of this model.")
        began = time.time()
        producer = make_producer({"bootstrap_servers": self.addresses.kafka})
        await producer.start()
        try:
            await producer.send_and_wait(
                f"{self.addresses.topic_prefix}{ModelTrained.type}", BAD_RECORD, key=MODEL.encode()
            )
        finally:
            await producer.stop()
        reason, at = await self.listener.wait_for_parked()
        self.narrator.event(at - began, "parked", reason, "bad")

    async def drift(self) -> None:
        self.narrator.scene("A scanner measures 30 % too much: drift, and a new training on all data.")
        await self.run("monitor", "--version", "2", "--scale", "1.3")
        drift = (await self.listener.wait_for(DriftDetected, version=2)).message
        await self.then(drift, DriftDetected, version=2)
        await self.then(drift, DriftRecorded, version=2)
        request = await self.then(drift, RetrainingRequested, version=2)
        await self.prints(self.pipeline, f"{MODEL}/2 is to be trained again", drift)
        trained = await self.then(drift, ModelTrained, answers=request.event.retraining)
        await self.promoted(drift, trained.event.run, version=4, replaces=2)

    async def retirement(self) -> None:
        self.narrator.scene("Version 1 is retired. Version 4 cannot be: it serves production.")
        await self.request(
            RetirementRequested(model=MODEL, version=1, by="ada", reason="two better versions exist"), ModelRetired
        )
        await self.request(
            RetirementRequested(model=MODEL, version=4, by="ada", reason="by mistake"), RetirementRefused
        )

    async def rebuild(self) -> None:
        self.narrator.scene("The views are dropped, and built again from the log.")
        for report in await proof.rebuilt(self.listener.position, self.listener.seconds):
            rows = "1 row" if report.digest.rows == 1 else f"{report.digest.rows} rows"
            text = f"{rows} from {report.facts} facts, equal to the dropped view: {report.digest.hashes}"
            self.narrator.event(report.seconds, f"registry.{report.view}", text, "good")

    async def table(self) -> None:
        self.narrator.scene("The view registry.version at the end:")
        self.narrator.table(*await proof.versions(MODEL, self.listener.position, self.listener.seconds))

    async def train(self, **recipe: int) -> Message[ModelTrained]:
        options = [text for name, value in recipe.items() for text in (f"--{name}", str(value))]
        run = await self.run("pipeline", "train", *options, "--rows", "250", "--author", "ada")
        trained = (await self.listener.wait_for(ModelTrained, run=run)).message
        return await self.then(trained, ModelTrained, run=run)

    async def run(self, *argv: str) -> str:
        self.narrator.command(*argv)
        example = await self.processes.start_example(*argv, seconds=self.listener.seconds)
        return await example.line(self.listener.seconds)

    async def promoted(self, root: Message[Event], run: str, *, version: int, replaces: int | None) -> None:
        await self.then(root, ModelRegistered, run=run, version=version)
        await self.then(root, ModelValidated, version=version)
        await self.then(root, ModelPromoted, version=version, replaces=replaces)
        await self.prints(self.deployer, f"{MODEL}/{version} serves", root)

    async def prints(self, example: Example, beginning: str, root: Message[Event]) -> None:
        line = await example.line(self.listener.seconds)
        if not line.startswith(beginning):
            raise DemoError(f"the {example.name} was expected to print `{beginning} …`, found: {line}")
        self.narrator.event(time.time() - _when(root), f"the {example.name}", line)

    async def request(self, request: RetirementRequested, answer: type[Event]) -> None:
        message = await self.registry.publish(request)
        await self.then(message, RetirementRequested, version=request.version)
        await self.then(message, answer, version=request.version)

    async def then(self, root: Message[Event], type: type[E], **fields: object) -> Message[E]:
        """Wait for the next event and print it, with the time since the first message of its chain."""
        received: Received[E] = await self.listener.wait_for(type, **fields)
        event = received.message.event
        self.narrator.event(received.at - _when(root), event.type, sentence(event), tone(event))
        return received.message


def _when(message: Message[Event]) -> float:
    return message.time.timestamp() if message.time else time.time()
