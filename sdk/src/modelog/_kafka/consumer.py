"""A Kafka consumer that loses no record, and takes no more bytes at a time than its bounds.

Other consumers of the process stay as aiokafka made them.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.consumer import fetcher
from aiokafka.errors import ConsumerStoppedError

from modelog._kafka.lenient_records import LenientRecords

MAX_TAKEN_BYTES = 64 * 1024 * 1024
"""Of the records that `getmany` returns; besides these, a record of each partition."""
MAX_FETCH_BYTES = 16 * 1024 * 1024
"""Of an answer of Kafka, as it is compressed. Of what it unpacks to, a batch of each partition is in memory."""
HEADER_BYTES = 100
"""Of memory that a header takes besides its value."""


def rebound(function: Any, **names: object) -> Any:
    """A copy of `function` that finds other objects under these global names."""
    return FunctionType(function.__code__, {**function.__globals__, **names}, function.__name__, function.__defaults__)


class FetchResult(fetcher.FetchResult):  # type: ignore[misc]  # aiokafka is not typed
    """The records of a partition. Those that one call does not take stay packed, for the next."""

    def getall(self, max_records: int | None = None) -> list[ConsumerRecord[Any, Any]]:
        """The next records, as many as fit into the share of the partition in MAX_TAKEN_BYTES, but at least one."""
        taken: list[ConsumerRecord[Any, Any]] = []
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            return taken
        left = MAX_TAKEN_BYTES // len(self._assignment.tps)
        for record in self._partition_records:
            taken.append(record)
            left -= size_of(record)
            if left <= 0 or (max_records is not None and len(taken) >= max_records):
                self._update_position()
                return taken
        self._update_position()
        self._partition_records: Any = None
        return taken


def size_of(record: ConsumerRecord[Any, Any]) -> int:
    """About how many bytes of memory a record takes."""
    headers = sum([HEADER_BYTES + len(content or b"") for _, content in record.headers])
    return len(record.key or b"") + len(record.value or b"") + headers


class Fetcher(fetcher.Fetcher):  # type: ignore[misc]  # aiokafka is not typed
    """Reads records whatever their headers are called and whatever they unpack to."""

    _proc_fetch_request = rebound(
        fetcher.Fetcher._proc_fetch_request, MemoryRecords=LenientRecords, FetchResult=FetchResult
    )
    fetched_records = rebound(fetcher.Fetcher.fetched_records, FetchResult=FetchResult)
    next_record = rebound(fetcher.Fetcher.next_record, FetchResult=FetchResult)


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka is not typed
    """Reads what is committed. Stops for good at the first batch that it cannot read; `broken` is the reason.

    The records that it took from other partitions in the same call are lost by then, and the next commit would pass
    over them.
    """

    broken: Exception | None = None

    start = rebound(AIOKafkaConsumer.start, Fetcher=Fetcher)

    def __init__(self, *topics: str, **settings: Any) -> None:
        super().__init__(*topics, **{**settings, "isolation_level": "read_committed"})

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
