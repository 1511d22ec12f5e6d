"""Facts on their way to Kafka: gathered into batches of one partition each, and sent together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import asyncpg
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner
from modelog.envelope import Header, encode_binary

MAX_KNOWN_PARTITIONS = 50_000
"""Models whose partition is remembered: computing it takes 1.4 µs, reading it from the cache 0.1."""
ACTOR_SCHEMA = 2
"""In facts of an older schema `meta.actor` is the source of the message, and the actor is not known."""


class OutgoingBatch:
    """Facts behind the position `last`; the batches hold those of a model in their order.

    A record costs 2 µs in our own batch and 13 in `producer.send()`, which makes a future for each and computes its
    partition again. The producer sends the batches of a partition one after the other, in the order it gets them.
    """

    def __init__(self, producer: AIOKafkaProducer, topic_prefix: str, last: int) -> None:
        self.last = last
        self.count = self.bytes = 0
        self.sent: list[asyncio.Future[Any]] = []
        self._producer, self._topic_prefix = producer, topic_prefix
        self._batches: dict[tuple[str, int], list[Any]] = {}
        self._partitions: dict[str, int] = {}

    async def add(self, facts: Iterable[asyncpg.Record]) -> None:
        """Add these facts behind the others."""
        for fact in facts:
            key, value, headers = _record(fact)
            topic = self._topic_prefix + fact["kind"]
            if topic not in self._partitions:
                self._partitions[topic] = len(await self._producer.partitions_for(topic))
            self._append((topic, _partition(key, self._partitions[topic])), key, value, headers)
            self.last = fact["position"]
            self.count += 1
            self.bytes += len(value)

    def _append(self, partition: tuple[str, int], key: bytes, value: bytes, headers: list[Header]) -> None:
        batches = self._batches.setdefault(partition, [])
        # `append` returns None when the batch is full; an empty batch takes any record.
        if not batches or batches[-1].append(timestamp=None, key=key, value=value, headers=headers) is None:
            batches.append(self._producer.create_batch())
            batches[-1].append(timestamp=None, key=key, value=value, headers=headers)

    async def send(self) -> None:
        """Give the batches to the producer; the futures in `sent` are done when Kafka has acknowledged."""
        for (topic, partition), batches in self._batches.items():
            for batch in batches:
                self.sent.append(await self._producer.send_batch(batch, topic, partition=partition))

    def cancel(self) -> None:
        """Wait for no acknowledgement any more."""
        for acknowledgement in self.sent:
            acknowledgement.cancel()


def _record(fact: asyncpg.Record) -> tuple[bytes, bytes, list[Header]]:
    position, stream, kind, id, at, version, data, meta = fact
    envelope = orjson.loads(meta)
    return encode_binary(
        kind,
        data.encode(),
        id=str(id),
        source=envelope["source"],
        subject=stream if version is None else f"{stream}/{version}",
        time=at,
        key=stream,
        sequence=position,
        correlationid=envelope["correlation"],
        causationid=envelope["causation"],
        traceparent=envelope.get("traceparent"),
        actor=envelope.get("actor") if envelope.get("schema", 1) >= ACTOR_SCHEMA else None,
    )


@lru_cache(MAX_KNOWN_PARTITIONS)
def _partition(key: bytes, partitions: int) -> int:
    """The partition where every producer puts this key."""
    return int(DefaultPartitioner()(key, range(partitions), ()))
