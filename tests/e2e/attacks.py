"""What a stranger can do who reaches Kafka and has no other key: records of every bad kind, and foreign consumers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.structs import RecordMetadata
from modelog.envelope import encode_binary

from shared.bus.topics import PARKED
from tests.e2e.cluster import Cluster
from tests.e2e.installation import Installation
from tests.e2e.watching import records

MIB = 1024 * 1024
MARK = ("stranger", b"1")
JOIN_SECONDS, LEAVE_SECONDS = 30.0, 15.0
"""A header that no service reads: tests recognise by it what a stranger sent."""
BOMB_KEY = b"bomb"
"""A record that is parked without its value keeps its key, and not its headers."""
NODES_IN_JSON = 100_000
"""Nested lists of a deep value: no parser of JSON goes so deep."""

Headers = Sequence[tuple[str, bytes | None]]
Place = tuple[str, int, int]
"""Topic without its prefix, partition and offset of a record."""


class Stranger:
    """A producer; `sent` has the place of each record, `unreadable` of those that must be parked."""

    def __init__(self, cluster: Cluster, producer: AIOKafkaProducer) -> None:
        self.cluster = cluster
        self.producer = producer
        self.sent: set[Place] = set()
        self.unreadable: set[Place] = set()

    async def send(self, topic: str, value: bytes | None, key: bytes | None = None, headers: Headers = ()) -> Place:
        """Send a record as it is."""
        (place,) = await self.send_all([(topic, value, key, headers)])
        return place

    async def send_all(self, sending: Sequence[tuple[str, bytes | None, bytes | None, Headers]]) -> list[Place]:
        """Send these in order, and await the acknowledgements at the end."""
        acknowledgements = [
            await self.producer.send(self.cluster.prefix + topic, value, key=key, headers=[*headers, MARK])
            for topic, value, key, headers in sending
        ]
        places = [self._place(sent) for sent in await asyncio.gather(*acknowledgements)]
        self.sent.update(places)
        return places

    async def junk(self, count: int, topic: str = "model.trained") -> list[Place]:
        """Records of one byte, under as many keys."""
        places = await self.send_all([(topic, b"?", f"junk-{n}".encode(), ()) for n in range(count)])
        self.unreadable.update(places)
        return places

    async def bomb(self, mib: int, topic: str = "model.trained") -> Place:
        """A record of spaces: a thousandth of it on the wire, all of it once it is unpacked."""
        size = (mib + 1) * MIB
        producer = AIOKafkaProducer(
            bootstrap_servers=self.cluster.settings.kafka_servers,
            compression_type="gzip",
            max_request_size=size,
            max_batch_size=size,
        )
        async with started(producer):
            sent = await producer.send_and_wait(
                self.cluster.prefix + topic, b" " * (mib * MIB), key=BOMB_KEY, headers=[MARK], partition=0
            )
        self.sent.add(place := self._place(sent))
        self.unreadable.add(place)
        return place

    async def deep_json(self, model: str) -> Place:
        """A run with a parameter of lists in lists in lists."""
        deep = b"[" * NODES_IN_JSON + b"]" * NODES_IN_JSON
        value = b'{"model": "%s", "run": "deep", "artifact": {}, "parameters": {"a": %s}}' % (model.encode(), deep)
        return await self.send("model.trained", value, model.encode(), envelope("model.trained", model))

    async def deep_paths(self, model: str) -> Place:
        """A run whose file lies half a million folders deep: a megabyte of path."""
        file = {"path": "a/" * 500_000 + "a", "size": 4, "sha256": "ab" * 32}
        value = json.dumps({"model": model, "run": "paths", "artifact": {"files": [file]}}).encode()
        return await self.send("model.trained", value, model.encode(), envelope("model.trained", model))

    async def aborted(self, topic: str, value: bytes, key: bytes, headers: Headers) -> None:
        """A record in a transaction that is taken back."""
        async with self.transaction() as producer:
            await producer.send_and_wait(self.cluster.prefix + topic, value, key=key, headers=[*headers, MARK])
            await producer.abort_transaction()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AIOKafkaProducer]:
        """A producer that has begun a transaction; the block ends it."""
        servers, id = self.cluster.settings.kafka_servers, f"stranger-{uuid4().hex}"
        async with started(AIOKafkaProducer(bootstrap_servers=servers, transactional_id=id)) as producer:
            await producer.begin_transaction()
            yield producer

    def _place(self, sent: RecordMetadata) -> Place:
        return sent.topic.removeprefix(self.cluster.prefix), sent.partition, sent.offset


@asynccontextmanager
async def started(producer: AIOKafkaProducer) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that is stopped also if it cannot start."""
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def stranger(cluster: Cluster) -> AsyncIterator[Stranger]:
    """A stranger for the time of the block."""
    servers = cluster.settings.kafka_servers
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all", max_request_size=7 * MIB) as producer:
        yield Stranger(cluster, producer)


@asynccontextmanager
async def foreign_consumers(cluster: Cluster, service: str, count: int = 12) -> AsyncIterator[None]:
    """Members of a service's group that take partitions, and neither answer nor commit anything."""
    group, topics = cluster.prefix + service, cluster.heard_by(service)
    members = [
        AIOKafkaConsumer(
            *topics,
            bootstrap_servers=cluster.settings.kafka_servers,
            group_id=group,
            enable_auto_commit=False,
            client_id="a-stranger",
        )
        for _ in range(count)
    ]
    try:
        # A member whose broker dies meanwhile may wait for ever (aiokafka #773).
        async with asyncio.timeout(JOIN_SECONDS):
            await asyncio.gather(*(member.start() for member in members))
        yield
    finally:
        stopping = [asyncio.ensure_future(member.stop()) for member in members]
        _, running = await asyncio.wait(stopping, timeout=LEAVE_SECONDS)
        for task in running:
            task.cancel()


def envelope(type: str, model: str, id: str = "", source: str = "/stranger") -> list[tuple[str, bytes]]:
    """The headers of a CloudEvent."""
    attributes = {"id": id or uuid4().hex, "source": source, "subject": model, "key": model}
    return encode_binary(type, b"", time=datetime.now(UTC), **attributes)[2]


async def parked(cluster: Cluster) -> dict[Place, list[str]]:
    """The reasons of each parked record, by the place that it came from: one reason for each time it was parked."""
    found: dict[Place, list[str]] = {}
    for record in await records(cluster, [PARKED]):
        place, reason = origin(cluster, record)
        if place:
            found.setdefault(place, []).append(reason)
    return found


def origin(installation: Installation, record: ConsumerRecord) -> tuple[Place | None, str]:
    """Where a parked record came from, and why it is parked; no place for a record that operators sent again."""
    why = {name.removeprefix("parked_"): (text or b"").decode() for name, text in record.headers}
    if "reason" not in why:
        return None, ""
    return (why["topic"].removeprefix(installation.prefix), int(why["partition"]), int(why["offset"])), why["reason"]
