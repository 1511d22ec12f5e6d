"""A registry for a single path, with a table that bare drivers write to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from modelog.events import BY_TYPE

from shared.bus.topics import PARKED
from shared.runtime.settings import Settings
from stack import Addresses
from stack.disposable import Sandbox, disposable

FLOOR = """
create schema floor;
create table floor.event (
  position bigserial primary key, stream text collate "C" not null, version int not null,
  kind text collate "C" not null, id uuid not null, at timestamptz not null default clock_timestamp(),
  data jsonb not null, meta jsonb not null
);
create index on floor.event (stream, version);
"""
"""Where bare drivers write: the log's columns and indexes, without heads, horizon and partitions."""


@asynccontextmanager
async def bench_sandbox(servers: Addresses) -> AsyncIterator[Sandbox]:
    """A fresh registry on these servers, whose topics are ready to be used."""
    async with disposable(servers, "bench") as sandbox:
        async with sandbox.owner() as pool:
            await pool.execute(FLOOR)
        await _wait_for_leaders(sandbox.settings)
        yield sandbox


async def _wait_for_leaders(settings: Settings) -> None:
    """Return when every partition has a leader that answers: for a fresh topic that takes a while."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_servers, request_timeout_ms=60_000)
    await consumer.start()
    try:
        topics = [settings.topic_prefix + name for name in (*BY_TYPE, PARKED)]
        partitions = [TopicPartition(topic, n) for topic in topics for n in range(settings.topic_partitions)]
        await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()
