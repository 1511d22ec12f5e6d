"""A registry in this process: every deciding service and the relay, and a producer for good and bad records."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeAlias, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.structs import RecordMetadata
from modelog.envelope import encode
from modelog.events import BY_TYPE, Event, Fact, ModelRegistered, ModelTrained
from modelog.manifest import blob_key
from modelog.values import Artifact, File

from services import component, names
from shared.bus.parked_records import read_parked
from shared.bus.topics import PARKED
from shared.runtime.runtime import Runtime
from shared.runtime.settings import Settings
from stack import Addresses
from stack.disposable import disposable
from stack.waiting import until

T = TypeVar("T")
Headers = Sequence[tuple[str, bytes | None]]
Record: TypeAlias = "ConsumerRecord[bytes | None, bytes | None]"
BYTES = b"\x80\x04N."
"""A pickle."""
LIMIT_SECONDS = 20.0


@dataclass
class InProcessRegistry:
    """Every record goes to partition 0 of its topic, so a record that blocks it blocks the good records behind it."""

    settings: Settings
    process: Runtime
    producer: AIOKafkaProducer
    artifact: Artifact
    parked: list[Record] = field(default_factory=list)

    async def send_record(
        self, topic: str, value: bytes | None, key: bytes | None = None, headers: Headers = ()
    ) -> RecordMetadata:
        """Send a record as it is; return its topic, partition and offset."""
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
        """Wait until a model's stream has `times` facts of this kind, and return them."""

        async def enough() -> list[T] | None:
            found: list[Any] = [fact for fact in await self.facts(model) if isinstance(fact, kind)]
            return found if len(found) >= times else None

        return await until(enough, f"{times} {kind} of {model}", seconds=LIMIT_SECONDS, every=0.01)

    async def wait_for_parked(self, sent: RecordMetadata) -> Record:
        """Wait until the record that was sent there is parked."""
        place = (sent.topic, str(sent.partition), str(sent.offset))

        async def found() -> Record | None:
            return next((record for record in self.parked if origin_of(record) == place), None)

        return await until(found, f"a parked record from {place}", seconds=LIMIT_SECONDS, every=0.01)

    async def registers_next(self, model: str, run: str = "behind") -> ModelRegistered:
        """Send a good run, behind all records so far, and wait until it is registered: nothing blocks the partition."""
        await self.send(self.trained(model, run))

        async def registered() -> ModelRegistered | None:
            facts = await self.facts(model)
            return next((fact for fact in facts if isinstance(fact, ModelRegistered) and fact.run == run), None)

        expected = f"the registration of {model}'s run {run}"
        return await until(registered, expected, seconds=LIMIT_SECONDS, every=0.01)

    def put(self, key: str, content: bytes, bucket: str | None = None) -> None:
        """Put an object into the store, without the checks of the SDK."""
        store = self.settings.store()
        store.client.put_object(bucket or store.bucket, key, io.BytesIO(content), len(content))

    async def collect(self) -> None:
        """Append every parked record to `parked`, until cancelled."""
        topic = TopicPartition(self.settings.topic_prefix + PARKED, 0)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.kafka_servers)
        consumer.assign([topic])
        await consumer.start()
        try:
            await consumer.seek_to_beginning(topic)
            async for record in consumer:
                if read_parked(record):
                    self.parked.append(record)
        finally:
            await consumer.stop()


def reason(record: Record) -> str:
    """Why a record is parked."""
    return _parked_header(record, "reason")


def origin_of(record: Record) -> tuple[str, ...]:
    """Topic, partition and offset that a parked record had."""
    return tuple(_parked_header(record, name) for name in ("topic", "partition", "offset"))


def _parked_header(record: Record, name: str) -> str:
    return (dict(record.headers)[f"parked_{name}"] or b"").decode()


@asynccontextmanager
async def in_process(servers: Addresses) -> AsyncIterator[InProcessRegistry]:
    """A registry of its own, whose services run for the time of the block."""
    async with disposable(servers, "in-process", MODELOG_TOPIC_PARTITIONS="1") as sandbox:
        settings = sandbox.settings
        producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_servers, acks="all", max_request_size=7 * 1024**2)
        async with await sandbox.service(10) as pool, producer:
            process = Runtime(settings, pool, settings.read_policy())
            file = File(path="model.pkl", size=len(BYTES), sha256=sha256(BYTES).hexdigest())
            registry = InProcessRegistry(settings, process, producer, Artifact(files=(file,)))
            await asyncio.to_thread(registry.put, blob_key(file.sha256), BYTES)
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(component(name).run(process)) for name in names() if name != "views"]
                collecting = group.create_task(registry.collect())
                yield registry
                process.stopping.set()
                await asyncio.wait(running)
                collecting.cancel()
