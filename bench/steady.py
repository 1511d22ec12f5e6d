"""A steady load: messages of pipelines, monitors and people about the same models."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from aiokafka import AIOKafkaProducer
from modelog.envelope import encode
from modelog.events import Event, PromotionRequested, RetirementRequested
from modelog.values import Artifact

from bench.events import drifted, trained
from bench.kafka import producing
from stack.disposable import Sandbox

SOURCE = "/soak"
ARTIFACTS = 8
MIX = ("trained", "drift", "drift", "trained", "drift", "promotion", "drift", "trained", "drift", "retirement")


class Steady:
    """Messages at a rate a second; the number of a message is its id."""

    def __init__(self, sandbox: Sandbox, rate: float, models: int) -> None:
        self.sandbox = sandbox
        self.rate = rate
        self.models = [f"model-{n}" for n in range(models)]
        self.dice = random.Random(1)
        self.versions = dict.fromkeys(self.models, 0)
        self.artifacts: list[Artifact] = []
        self.sent = 0

    async def run(self, seconds: float) -> None:
        """Send for `seconds`, however slow the answers are; return when Kafka has acknowledged every message."""
        self.artifacts = await asyncio.to_thread(self._upload)
        async with producing(self.sandbox) as producer:
            began = time.monotonic()
            while (passed := time.monotonic() - began) < seconds:
                while self.sent < passed * self.rate:
                    await self._send(producer)
                await asyncio.sleep(0.005)
            await producer.flush()

    async def _send(self, producer: AIOKafkaProducer) -> None:
        event = self._event(MIX[self.sent % len(MIX)])
        key, value, headers = encode(event, source=SOURCE, id=str(self.sent))
        topic = self.sandbox.settings.topic_prefix + event.type
        await producer.send(topic, value, key=key, headers=headers)
        self.sent += 1

    def _event(self, kind: str) -> Event:
        model = self.dice.choice(self.models)
        version = self.dice.randint(1, self.versions[model] + 1)
        match kind:
            case "trained":
                self.versions[model] += 1
                return trained(model, f"run-{self.sent}", self.dice.choice(self.artifacts))
            case "promotion":
                stage = self.dice.choice(("production", "staging", "nowhere"))
                return PromotionRequested(model=model, version=version, stage=stage, by="ada")
            case "retirement":
                return RetirementRequested(model=model, version=version, by="grace")
            case _:
                return drifted(model, version, self.dice.random())

    def _upload(self) -> list[Artifact]:
        uploaded = []
        with TemporaryDirectory() as folder:
            for n in range(ARTIFACTS):
                file = Path(folder, f"model-{n}.pkl")
                file.write_bytes(b"\x80\x04" + bytes(n) + b"N.")
                uploaded.append(self.sandbox.settings.store().upload(file))
        return uploaded
