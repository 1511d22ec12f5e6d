"""A Kafka consumer that loses no record. Other consumers of the process stay as aiokafka made them."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher
from aiokafka.errors import ConsumerStoppedError

from modelog._kafka.lenient_records import LenientRecords


def rebound(function: Any, **names: object) -> Any:
    """A copy of `function` that finds other objects under these global names."""
    return FunctionType(function.__code__, {**function.__globals__, **names}, function.__name__)


class Fetcher(fetcher.Fetcher):  # type: ignore[misc]  # aiokafka is not typed
    """Reads records whatever their headers are called."""

    _proc_fetch_request = rebound(fetcher.Fetcher._proc_fetch_request, MemoryRecords=LenientRecords)


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka is not typed
    """Stops for good at the first batch that it cannot read; `broken` is the reason.

    The records that it took from other partitions in the same call are lost by then, and the next commit would pass
    over them.
    """

    broken: Exception | None = None

    start = rebound(AIOKafkaConsumer.start, Fetcher=Fetcher)

    async def getmany(self, *partitions: Any, **options: Any) -> Any:
        """Records by partition; raise ConsumerStoppedError from the reason if a batch cannot be read, now or before."""
        try:
            if self.broken is None:
                return await super().getmany(*partitions, **options)
        except ConsumerStoppedError:
            raise
        except Exception as error:
            self.broken = error
        raise ConsumerStoppedError from self.broken
