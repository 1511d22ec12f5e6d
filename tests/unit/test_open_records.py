"""Open records: which offsets may be committed, and when a partition gets no more records."""

from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from shared.bus import open_records
from shared.bus.open_records import MAX_OPEN_RECORDS, OpenRecords

PLACE = TopicPartition("topic", 0)


def record(offset: int, value: bytes = b"") -> Any:
    return ConsumerRecord("topic", 0, offset, 0, 0, None, value, None, 0, len(value), ())


def opened(*offsets: int) -> OpenRecords:
    records = OpenRecords()
    for offset in offsets:
        records.add(record(offset))
    return records


def close(records: OpenRecords, *offsets: int) -> None:
    for offset in offsets:
        found = records.opened(record(offset))
        assert found
        found.close()


@given(st.permutations(range(5, 15)), st.integers(0, 10))
def test_what_is_committed_is_the_oldest_open_record_or_behind_the_last(order: Sequence[int], ended: int) -> None:
    records = opened(*range(5, 15))
    close(records, *order[:ended])
    assert records.committable() == {PLACE: min(order[ended:], default=15)}


def test_an_offset_is_committed_once() -> None:
    records = opened(5)
    records.committed(records.committable())
    assert records.committable() == {}
    close(records, 5)
    assert records.committable() == {PLACE: 6}


def test_what_gives_no_records_is_passed_by_the_position_and_not_while_a_record_is_open() -> None:
    records = opened(5)
    records.passed(PLACE, 9)
    assert records.committable() == {PLACE: 5}
    close(records, 5)
    assert records.committable() == {PLACE: 9}


def test_a_partition_is_full_with_too_many_open_records_until_some_are_closed() -> None:
    records = opened(*range(MAX_OPEN_RECORDS))
    assert records.full() == {PLACE}
    close(records, 7)
    assert not records.full()


def test_a_partition_is_full_with_too_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_records, "MAX_OPEN_BYTES", 10)
    records = opened()
    records.add(record(1, b"0123456789"))
    assert records.full() == {PLACE}
    close(records, 1)
    assert not records.full()


def test_a_partition_is_full_far_behind_an_open_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_records, "MAX_UNCOMMITTED_RECORDS", 4)
    records = opened(1, 2, 3, 4)
    close(records, 2, 3, 4)
    assert records.full() == {PLACE}
    close(records, 1)
    assert not records.full()


def test_a_record_of_a_partition_that_was_dropped_closes_nothing_of_the_next_assignment() -> None:
    records = opened(5)
    late = records.opened(record(5))
    assert late
    records.drop([PLACE])
    assert not late.is_open
    records.add(record(5))
    late.close()
    assert records.committable() == {PLACE: 5}
