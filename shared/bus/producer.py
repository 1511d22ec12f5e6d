"""The producer of the services: it neither loses nor doubles a record, and sends at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer

MAX_REQUEST_BYTES = 8 * 1024 * 1024
"""Above what a topic accepts by default."""
MAX_BATCH_BYTES = 256 * 1024
"""Bytes that go to a partition at once, when that many wait: aiokafka's 16 KiB are a dozen facts."""


def make_producer(kafka: Mapping[str, Any], transactional_id: str | None = None) -> AIOKafkaProducer:
    """A producer that is not started yet; `kafka` is `Settings.kafka`."""
    return AIOKafkaProducer(
        **kafka,
        acks="all",
        enable_idempotence=True,
        transactional_id=transactional_id,
        linger_ms=0,
        max_batch_size=MAX_BATCH_BYTES,
        max_request_size=MAX_REQUEST_BYTES,
    )
