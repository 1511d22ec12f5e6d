"""Facts on their way to Kafka: gathered into batches of a single partition each, and sent together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    OutOfOrderSequenceNumber,
    UnknownProducerId,
    UnknownTopicOrPartitionError,
)
from modelog.envelope import Header

from services.relay.record import partition_of, record_of
from services.relay.topic_watch import TopicWatch

METADATA_TIMEOUT_SECONDS = 2.0
"""For the producer to find the leaders of a topic."""
CHECK_SECONDS = 0.5
"""Between two checks whether a topic is missing that has not acknowledged."""

OF_THE_PRODUCER = (
    ClusterAuthorizationFailedError,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    OutOfOrderSequenceNumber,
    UnknownProducerId,
)
"""Refusals that concern every topic: a new producer is needed."""


class OutgoingBatch:
    """Facts in (after, last]; each batch has those of a model in their order.

    A record costs 2 µs in our own batch and 13 in `producer.send()`, which makes a future for each and computes its
    partition again. The producer sends the batches of a partition one after the other, in the order it gets them.
    """

    def __init__(self, producer: AIOKafkaProducer, topic_prefix: str, watch: TopicWatch, after: int) -> None:
        self.after = self.last = after
        self.count = 0
        self.is_full = False
        """Whether there may be more facts behind it in its range."""
        self.refused: dict[str, str] = {}
        """Why the topics of these kinds did not take their facts; known when the batch is sent and waited for."""
        self._producer, self._topic_prefix, self._watch = producer, topic_prefix, watch
        self._batches: dict[str, dict[int, list[Any]]] = {}
        self._sending: dict[str, asyncio.Task[str | None]] = {}
        self._sent: list[asyncio.Future[Any]] = []

    def add(self, facts: Iterable[asyncpg.Record]) -> None:
        """Add these facts behind the others."""
        for fact in facts:
            kind = fact["kind"]
            key, value, headers = record_of(fact)
            if kind in self._watch.partitions:
                self._append(kind, partition_of(key, self._watch.partitions[kind]), key, value, headers)
            else:
                self.refused[kind] = self._watch.missing.setdefault(kind, "it does not exist")
            self.last = fact["position"]
            self.count += 1

    def _append(self, kind: str, partition: int, key: bytes, value: bytes, headers: list[Header]) -> None:
        batches = self._batches.setdefault(kind, {}).setdefault(partition, [])
        # `append` returns None when the batch is full; an empty batch takes any record.
        if not batches or batches[-1].append(timestamp=None, key=key, value=value, headers=headers) is None:
            batches.append(self._producer.create_batch())
            batches[-1].append(timestamp=None, key=key, value=value, headers=headers)

    def send(self) -> None:
        """Begin to send: each topic for itself, so that a topic without a leader holds up no other."""
        for kind in self._batches:
            self._sending[kind] = asyncio.create_task(self._send(kind))

    async def acknowledged(self) -> None:
        """Return when each topic has acknowledged, has refused, or is missing; raise the error of a producer."""
        waiting = set(self._sending.values())
        while waiting:
            _, waiting = await asyncio.wait(waiting, timeout=CHECK_SECONDS)
            if all(kind in self._watch.missing for kind in self.unacknowledged()):
                break
        self.close(self._watch.missing)

    def unacknowledged(self) -> list[str]:
        """The kinds whose topics have not answered yet."""
        return [kind for kind, task in self._sending.items() if not task.done()]

    def close(self, reasons: dict[str, str] | str) -> None:
        """Wait for no topic any more, and record why those that have not answered are refused; raise their error."""
        for kind in self.unacknowledged():
            self.refused[kind] = reasons if isinstance(reasons, str) else reasons[kind]
        for kind, task in self._sending.items():
            if task.done() and (reason := task.result()):
                self.refused[kind] = reason

    def counts(self) -> dict[str, int]:
        """How many facts it has for each topic that has not refused."""
        return {
            kind: sum(batch.record_count() for batches in by_partition.values() for batch in batches)
            for kind, by_partition in self._batches.items()
            if kind not in self.refused
        }

    def cancel(self) -> None:
        """Wait for nothing any more."""
        for task in (*self._sending.values(), *self._sent):
            task.cancel()

    async def _send(self, kind: str) -> str | None:
        """Why this topic does not take its facts; None when it has acknowledged them all."""
        topic, batches = self._topic_prefix + kind, self._batches[kind]
        try:
            if not await self._knows(topic, set(batches)):
                return "Kafka does not name its leaders"
            sent = []
            for partition, ours in batches.items():
                for batch in ours:
                    end = self._watch.end(kind, partition)
                    future = await self._producer.send_batch(batch, topic, partition=partition)
                    sent.append((partition, end, batch.record_count(), future))
                    self._sent.append(future)
            await asyncio.wait([future for *_, future in sent])
            for error in [future.exception() for *_, future in sent]:
                if error is not None:
                    raise error
            for partition, end, count, future in sent:
                self._watch.acknowledged(kind, partition, end, future.result().offset, count)
        except BrokerResponseError as error:
            if isinstance(error, OF_THE_PRODUCER):
                raise
            return repr(error)
        except AssertionError:  # of send_batch
            return "its number of partitions has changed"
        return None

    async def _knows(self, topic: str, partitions: set[int]) -> bool:
        """Whether the producer knows these partitions: to send to others would make it wait, or fail an assertion."""
        if not partitions <= (self._producer.client.cluster.partitions_for_topic(topic) or set()):
            try:
                async with asyncio.timeout(METADATA_TIMEOUT_SECONDS):
                    return bool(partitions <= await self._producer.partitions_for(topic))
            except (TimeoutError, UnknownTopicOrPartitionError):
                return False
        return True
