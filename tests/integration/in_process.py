"""A whole registry in this process, and a registry over which records of any kind are handed in, good and bad."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.structs import RecordMetadata
from modelog.envelope import encode
from modelog.events import BY_TYPE, Event, Fact, ModelRegistered, ModelTrained
from modelog.values import Artifact

from operations.parked import SENT
from shared.bus.topics import PARKED
from shared.runtime.runtime import Runtime
from shared.runtime.settings import Settings

T = TypeVar("T")
Headers = Sequence[tuple[str, bytes | None]]
Record: TypeAlias = "ConsumerRecord[bytes | None, bytes | None]"
BYTES = b"\x80\x04N."
"""A pickle."""


@dataclass
class InProcessRegistry:
    """Every record goes to partition 0 of its topic, so whatever blocks one blocks the good ones behind it."""

    settings: Settings
    process: Runtime
    producer: AIOKafkaProducer
    artifact: Artifact
    parked: list[Record] = field(default_factory=list)

    async def send_record(
        self, topic: str, value: bytes | None, key: bytes | None = None, headers: Headers = ()
    ) -> RecordMetadata:
        """Send a record as it is; its place is returned, to know it by."""
        sent: RecordMetadata = await self.producer.send_and_wait(
            self.settings.topic_prefix + topic, value, key=key, headers=list(headers), partition=0
        )
        return sent

    async def send(self, event: Event, **envelope: Any) -> RecordMetadata:
        """Send a good message."""
        key, value, headers = encode(event, source="/tests", **envelope)
        return await self.send_record(event.type, value, key, headers)

    def trained(self, model: str, run: str = "run-1", **other: Any) -> ModelTrained:
        """A run whose bytes are in the store."""
        return ModelTrained(model=model, run=run, **{"artifact": self.artifact, "metrics": {"f1": 0.9}, **other})

    async def facts(self, model: str) -> list[Fact]:
        """The stream of a model."""
        rows = await self.process.pool.fetch(
            "select kind, data from log.event where stream = $1 order by version", model
        )
        return [BY_TYPE[kind].model_validate_json(data) for kind, data in rows]  # type: ignore[misc]

    async def wait_for_facts(self, model: str, kind: type[T], times: int = 1) -> list[T]:
        """Wait until a model's stream has that many facts of a kind, and return them."""

        async def enough() -> list[Any]:
            found = [fact for fact in await self.facts(model) if isinstance(fact, kind)]
            return found if len(found) >= times else []

        return cast(list[T], await until(enough, f"{times} {kind} of {model}"))

    async def wait_for_parked(self, sent: RecordMetadata) -> Record:
        """Wait until the record that was sent there is parked."""
        place = (sent.topic, str(sent.partition), str(sent.offset))

        async def found() -> Record | None:
            return next((one for one in self.parked if origin_of(one) == place), None)

        return cast(Record, await until(found, f"a parked record from {place}"))

    async def registers_next(self, model: str, run: str = "behind") -> ModelRegistered:
        """A good run sent now, behind all that was handed in before, is registered."""
        await self.send(self.trained(model, run))

        async def registered() -> ModelRegistered | None:
            facts = await self.facts(model)
            return next((one for one in facts if isinstance(one, ModelRegistered) and one.run == run), None)

        return cast(ModelRegistered, await until(registered, f"the registration of {model}'s run {run}"))

    def put(self, key: str, content: bytes, bucket: str | None = None) -> None:
        """Put an object into the store, past everything that would check it."""
        store = self.settings.store()
        store.client.put_object(bucket or store.bucket, key, io.BytesIO(content), len(content))

    async def collect(self) -> None:
        """Gather what is parked for as long as the registry is open."""
        topic = TopicPartition(self.settings.topic_prefix + PARKED, 0)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.kafka_servers)
        consumer.assign([topic])
        await consumer.start()
        try:
            await consumer.seek_to_beginning(topic)
            async for record in consumer:
                if record.key != SENT.encode():
                    self.parked.append(record)
        finally:
            await consumer.stop()


def reason(record: Record) -> str:
    """Why a record is parked."""
    return _told(record, "reason")


def origin_of(record: Record) -> tuple[str, ...]:
    """Topic, partition and offset that a parked record had."""
    return tuple(_told(record, name) for name in ("topic", "partition", "offset"))


def _told(record: Record, name: str) -> str:
    return (dict(record.headers)[f"parked_{name}"] or b"").decode()


async def until(look: Callable[[], Any], what: str, limit: float = 20.0) -> Any:
    """Look until there is something to see."""
    end = time.monotonic() + limit
    while not (found := await look()):
        assert time.monotonic() < end, f"expected {what} within {limit:.0f} s, found none"
        await asyncio.sleep(0.01)
    return found
