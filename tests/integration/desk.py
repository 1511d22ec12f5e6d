"""A whole registry in this process, and a desk over which records of any kind are handed in, good and bad."""

from __future__ import annotations

import asyncio
import io
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.structs import RecordMetadata
from modelog.artifacts import blob_key
from modelog.envelope import encode
from modelog.events import BY_TYPE, Event, Fact, ModelRegistered, ModelTrained
from modelog.values import Artifact, File

from services.__main__ import PARTS, part
from shared.log import Log, connect
from shared.process import Process
from shared.settings import Settings
from shared.setup import setup
from shared.topics import PARKED
from stack import Addresses

T = TypeVar("T")
Headers = Sequence[tuple[str, bytes | None]]
Record = ConsumerRecord
BYTES = b"\x80\x04N."
"""A pickle."""


@dataclass
class Desk:
    """Every record goes to partition 0 of its topic, so whatever blocks one blocks the good ones behind it."""

    settings: Settings
    process: Process
    producer: AIOKafkaProducer
    artifact: Artifact
    parked: list[Record] = field(default_factory=list)

    async def hand_in(self, topic: str, value: bytes | None, key: bytes | None = None, headers: Headers = ()) -> Record:
        """Send a record as it is; its place is returned, to know it by."""
        sent: RecordMetadata = await self.producer.send_and_wait(
            self.settings.topic_prefix + topic, value, key=key, headers=list(headers), partition=0
        )
        return sent

    async def say(self, event: Event, **envelope: Any) -> RecordMetadata:
        """Send a good message."""
        key, value, headers = encode(event, source="/tests", **envelope)
        return await self.hand_in(event.type, value, key, headers)

    def trained(self, model: str, run: str = "run-1", **other: Any) -> ModelTrained:
        """A run whose bytes are in the store."""
        return ModelTrained(model=model, run=run, **{"artifact": self.artifact, "metrics": {"f1": 0.9}, **other})

    async def facts(self, model: str) -> list[Fact]:
        """The stream of a model."""
        rows = await self.process.log.pool.fetch(
            "select kind, data from log.event where stream = $1 order by version", model
        )
        return [BY_TYPE[kind].model_validate_json(data) for kind, data in rows]  # type: ignore[misc]

    async def said(self, model: str, kind: type[T], times: int = 1) -> list[T]:
        """Wait until a model's stream has that many facts of a kind, and return them."""

        async def enough() -> list[T]:
            found = [fact for fact in await self.facts(model) if isinstance(fact, kind)]
            return found if len(found) >= times else []

        return await until(enough, f"{times} {kind.__name__} of {model}")

    async def parked_from(self, sent: RecordMetadata) -> Record:
        """Wait until the record that was sent there is parked."""
        place = (sent.topic, str(sent.partition), str(sent.offset))

        async def found() -> Record | None:
            told = ((dict(one.headers), one) for one in self.parked)
            return next((one for h, one in told if tuple(_text(h, n) for n in ("topic", "partition", "offset")) == place), None)

        return await until(found, f"a parked record from {place}")

    async def goes_on(self, model: str, run: str = "behind") -> ModelRegistered:
        """A good run sent now, behind all that was handed in before, is registered."""
        await self.say(self.trained(model, run))

        async def registered() -> ModelRegistered | None:
            facts = await self.facts(model)
            return next((one for one in facts if isinstance(one, ModelRegistered) and one.run == run), None)

        return await until(registered, f"the registration of {model}'s run {run}")

    def put(self, key: str, content: bytes, bucket: str | None = None) -> None:
        """Put an object into the store, past everything that would check it."""
        store = self.settings.store()
        store.client.put_object(bucket or store.bucket, key, io.BytesIO(content), len(content))

    async def collect(self) -> None:
        """Gather what is parked for as long as the desk is open."""
        topic = TopicPartition(self.settings.topic_prefix + PARKED, 0)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.kafka_servers)
        consumer.assign([topic])
        await consumer.start()
        try:
            await consumer.seek_to_beginning(topic)
            async for record in consumer:
                self.parked.append(record)
        finally:
            await consumer.stop()


def reason(record: Record) -> str:
    """Why a record is parked."""
    return _text(dict(record.headers), "reason")


def _text(headers: dict[str, bytes | None], name: str) -> str:
    return (headers.get(f"parked_{name}") or b"").decode()


async def until(look: Callable[[], Any], what: str, limit: float = 20.0) -> Any:
    """Look until there is something to see."""
    end = time.monotonic() + limit
    while not (found := await look()):
        assert time.monotonic() < end, f"expected {what} within {limit:.0f} s, found none"
        await asyncio.sleep(0.01)
    return found


@asynccontextmanager
async def opened(stack: Addresses) -> AsyncIterator[Desk]:
    """A registry of its own on the shared servers, every deciding service and the relay in it."""
    tag = secrets.token_hex(4)
    owner = await asyncpg.connect(stack.postgres)
    await owner.execute(f"create database desk_{tag}")
    url = urlsplit(stack.postgres)._replace(path=f"/desk_{tag}").geturl()
    settings = _settings(stack, url, tag)
    await setup(settings)
    pool = await connect(url, settings.postgres_role)
    process = Process(settings, Log(pool), settings.read_policy())
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_servers, acks="all", max_request_size=7 * 1024**2)
    await producer.start()
    digest = sha256(BYTES).hexdigest()
    desk = Desk(settings, process, producer, Artifact(files=(File(path="model.pkl", size=len(BYTES), sha256=digest),)))
    await asyncio.to_thread(desk.put, blob_key(digest), BYTES)
    try:
        async with asyncio.TaskGroup() as group:
            parts = [group.create_task(part(name).run(process)) for name in PARTS if name != "views"]
            parked = group.create_task(desk.collect())
            yield desk
            process.stopping.set()
            await asyncio.wait(parts)
            parked.cancel()
    finally:
        await producer.stop()
        await pool.close()
        await owner.execute(f"drop database desk_{tag} with (force)")
        await owner.close()


def _settings(stack: Addresses, url: str, tag: str) -> Settings:
    return Settings(
        _env_file=None,
        kafka_servers=stack.kafka,
        postgres_url=url,
        s3_endpoint=stack.s3_endpoint,
        s3_access_key=stack.s3_access_key,
        s3_secret_key=stack.s3_secret_key,
        s3_bucket=f"desk-{tag}",
        topic_prefix=f"desk-{tag}.",
        topic_partitions=1,
    )
