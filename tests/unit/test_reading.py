"""The door of the services: what is left out of a report or a request is counted and named, the rest is parked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from modelog.envelope import SCHEMA_VERSION, Unreadable, encode
from modelog.events import DriftDetected, ModelTrained
from modelog.modes import MAX_EVENTS_IN_BATCH
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from shared.bus.open_records import OpenRecords
from shared.bus.reading import Batch, read, read_all
from tests.examples import drifted, trained

NEWER = str(SCHEMA_VERSION + 1).encode()


def record(event: Any, headers: Any = (), **change: Any) -> Any:
    key, _, own = encode(event, source="/ci", id="1")
    value = json.dumps(event.model_dump(mode="json") | change).encode()
    return ConsumerRecord("model.trained", 0, 0, 0, 0, key, value, None, 0, 0, (*own, *headers))


def count(name: str, type: str) -> float | None:
    return REGISTRY.get_sample_value(f"modelog_{name}_total", {"type": type})


def test_a_report_with_an_unknown_field_is_unreadable_and_names_its_cause() -> None:
    with pytest.raises(Unreadable, match="unknown field metric: did you mean metrics") as raised:
        read(record(trained(), metric={}), ModelTrained)
    assert raised.value.cause


def test_the_unknown_fields_of_a_newer_report_are_counted_and_logged() -> None:
    before = count("unknown_fields", "drift.detected")
    assert before is not None
    with capture_logs() as lines:
        read(record(drifted(), [("ce_schemaversion", NEWER)], shape=1, size=2), DriftDetected)
    assert count("unknown_fields", "drift.detected") == before + 2
    assert [(line["unknown_fields"], line["model"]) for line in lines] == [(("shape", "size"), "fraud")]


def test_a_newer_report_without_unknown_fields_is_like_any_other() -> None:
    before = count("unknown_fields", "drift.detected")
    with capture_logs() as lines:
        read(record(drifted(), [("ce_schemaversion", NEWER)]), DriftDetected)
    assert (count("unknown_fields", "drift.detected"), lines) == (before, [])


def test_a_metric_without_a_value_is_counted_and_logged() -> None:
    before = count("metrics_without_value", "model.trained")
    assert before is not None
    with capture_logs() as lines:
        message: Any = read(record(trained(), metrics={"auc": 0.9, "recall": None}), ModelTrained)
    assert message.event.metrics == {"auc": 0.9}
    assert count("metrics_without_value", "model.trained") == before + 1
    assert [line["metrics_without_value"] for line in lines] == [("recall",)]


def batch(*events: dict[str, Any]) -> Any:
    own = {"specversion": "1.0", "type": "drift.detected", "source": "/ci"}
    value = json.dumps([own | {"id": str(number)} | event for number, event in enumerate(events, 1)]).encode()
    return ConsumerRecord("drift.detected", 0, 0, 0, 0, None, value, None, 0, 0, ())


def other(model: str) -> dict[str, Any]:
    return {"data": drifted().model_dump(mode="json") | {"model": model}}


async def read_batch(record: Any) -> tuple[OpenRecords, Batch]:
    async def nothing(_: object) -> dict[Any, Any]:
        return {}

    records = OpenRecords()
    records.add(record)
    opened = records.opened(record)
    assert opened
    return records, await read_all([opened], lambda _: DriftDetected, nothing)


async def test_a_batch_is_as_many_messages_and_ends_with_the_last_of_them() -> None:
    records, found = await read_batch(batch(other("a"), other("b"), other("a")))
    assert [(message.event.model, message.id) for _, message in found.messages] == [("a", "1"), ("b", "2"), ("a", "3")]
    assert found.failed == []
    for opened, _ in found.messages:
        assert list(records.committable().values()) == [0]
        assert opened.is_open
        opened.close()
        opened.close()
    assert list(records.committable().values()) == [1]


async def test_what_cannot_be_read_of_a_batch_is_named_and_the_others_are_messages() -> None:
    records, found = await read_batch(batch(other("a"), {"data": {}}, other("b"), {"type": "x"}))
    assert [message.id for _, message in found.messages] == ["1", "3"]
    ((opened, error),) = found.failed
    assert "of 4 events in a batch 2 cannot be read, the others are answered: event 2: expected drift" in str(error)
    for part in [opened, *(part for part, _ in found.messages)]:
        assert list(records.committable().values()) == [0]
        part.close()
    assert list(records.committable().values()) == [1]


async def test_a_batch_has_a_limit() -> None:
    _, found = await read_batch(batch(*[other("a")] * (MAX_EVENTS_IN_BATCH + 1)))
    assert found.messages == []
    assert "send smaller batches" in str(found.failed[0][1])


@pytest.mark.parametrize("value", [b"[]", b"[1, 2]", b"[", b"  [{}, {}]", b"[" * 50_000, None])
async def test_a_list_that_is_no_batch_is_unreadable(value: bytes | None) -> None:
    _, found = await read_batch(ConsumerRecord("drift.detected", 0, 0, 0, 0, None, value, None, 0, 0, ()))
    assert found.messages == []
    assert [type(error) for _, error in found.failed] == [Unreadable]
