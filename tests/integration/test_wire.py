"""Reports as programs without the SDK send them: each is answered by facts, or parked with a sentence that helps."""

from __future__ import annotations

import json
from typing import Any

import pytest
from modelog.envelope import SCHEMA_VERSION, encode
from modelog.events import (
    DriftRecorded,
    MessageConflicted,
    ModelPromoted,
    ModelRegistered,
    ModelTrained,
    RetrainingDeclined,
    RetrainingRequested,
)

from tests.integration.in_process import InProcessRegistry, reason

CE = "application/cloudevents"


def binary(event: Any, id: str, change: dict[str, Any], **extensions: Any) -> tuple[bytes, bytes, list[Any]]:
    """Key, value and headers of a report with other fields."""
    key, _, headers = encode(event, source="/monitor", id=id, **extensions)
    return key, json.dumps(event.model_dump(mode="json") | change).encode(), headers


async def send(registry: InProcessRegistry, event: Any, id: str, change: dict[str, Any], **extensions: Any) -> Any:
    key, value, headers = binary(event, id, change, **extensions)
    return await registry.send_record(event.type, value, key, headers)


async def test_a_report_with_an_unknown_field_is_parked_and_can_be_corrected_under_its_id(
    registry: InProcessRegistry,
) -> None:
    sent = await send(registry, registry.trained("misspelt", metrics={}), "1", {"metric": {"f1": 0.9}})
    assert reason(await registry.wait_for_parked(sent)).endswith("unknown field metric: did you mean metrics?")
    await send(registry, registry.trained("misspelt", metrics={}), "1", {"metrics": {"f1": 0.9}})
    (registered,) = await registry.wait_for_facts("misspelt", ModelRegistered)
    assert registered.metrics == {"f1": 0.9}


async def test_the_unknown_fields_of_a_newer_report_are_ignored(registry: InProcessRegistry) -> None:
    await send(registry, registry.trained("newer"), "1", {"shape": 1}, schemaversion=SCHEMA_VERSION + 1)
    await registry.wait_for_facts("newer", ModelRegistered)
    sent = await send(registry, registry.trained("newer"), "2", {}, schemaversion="two")
    assert "expected a whole number from 1 on in `ce_schemaversion`" in reason(await registry.wait_for_parked(sent))


async def test_a_metric_that_is_null_costs_the_metric(registry: InProcessRegistry) -> None:
    for _ in range(2):
        await send(registry, registry.trained("null"), "1", {"metrics": {"f1": 0.9, "recall": None}, "tags": None})
    await registry.registers_next("null")
    first, _ = await registry.wait_for_facts("null", ModelRegistered, 2)
    assert (first.metrics, first.tags) == ({"f1": 0.9}, {})
    assert not any(isinstance(fact, MessageConflicted) for fact in await registry.facts("null"))


@pytest.mark.parametrize(("score", "expected"), [("Infinity", "inf"), (None, "nan"), ("NaN", "nan")])
async def test_a_drift_that_is_no_number_asks_for_retraining(
    registry: InProcessRegistry, score: str | None, expected: str
) -> None:
    model = f"drift-{score}"
    await registry.registers_next(model)
    await registry.wait_for_facts(model, ModelPromoted)
    report = {"model": model, "version": 1, "detector": "kl", "threshold": 0.2, "drifted": True}
    value = json.dumps(report | {"score": score}).encode().replace(b'"Infinity"', b"Infinity")
    headers = [("ce_type", b"drift.detected"), ("ce_id", b"1"), ("ce_source", b"/monitor")]
    await registry.send_record("drift.detected", value, model.encode(), headers)
    (request,) = await registry.wait_for_facts(model, RetrainingRequested)
    assert request.why == f"kl scored {expected}, its threshold is 0.2"
    (recorded,) = await registry.wait_for_facts(model, DriftRecorded)
    assert str(recorded.score) == expected
    await registry.send_record("drift.detected", value.replace(b"true", b"false"), None, [*headers, ("ce_id", b"2")])
    await registry.wait_for_facts(model, RetrainingDeclined)


async def test_a_batch_is_answered_event_by_event_and_parked_for_what_cannot_be_read(
    registry: InProcessRegistry,
) -> None:
    def event(model: str, **change: Any) -> dict[str, Any]:
        data = registry.trained(model).model_dump(mode="json") | change
        return {"specversion": "1.0", "type": "model.trained", "id": model, "source": "/ci", "data": data}

    batch = json.dumps([event("batch-1"), event("batch-2", colour="red"), event("batch-3")]).encode()
    for content_type in (f"{CE}-batch+json; charset=utf-8", "application/json"):
        sent = await registry.send_record("model.trained", batch, None, [("content-type", content_type.encode())])
        assert "event 2: expected model.trained as in its schema, found unknown field colour" in reason(
            await registry.wait_for_parked(sent)
        )
    await registry.registers_next("batch-1")
    for model, versions in (("batch-1", [1, 2]), ("batch-2", []), ("batch-3", [1])):
        registered = [fact.version for fact in await registry.facts(model) if isinstance(fact, ModelRegistered)]
        assert registered == versions


async def test_the_same_time_in_another_zone_is_the_same_message(registry: InProcessRegistry) -> None:
    trained: ModelTrained = registry.trained("zones")
    for time in ("2026-01-05T09:00:00+02:00", "2026-01-05T07:00:00Z", "2026-01-05T07:00:00.000000000Z"):
        await send(registry, trained, "1", {"trained_at": time})
    await send(registry, trained, "1", {"trained_at": "2026-01-05T07:00:01Z"})
    await registry.wait_for_facts("zones", MessageConflicted)
    kinds = [type(fact) for fact in await registry.facts("zones")]
    assert (kinds.count(ModelRegistered), kinds.count(MessageConflicted)) == (1, 1)


async def test_numbers_keep_their_types(registry: InProcessRegistry) -> None:
    numbers = {"large": 1e16, "whole": 2**53 + 1, "one": 1.0, "list": [1e300, -1e20], "text": "1e+16"}
    await registry.send(registry.trained("typed", parameters=numbers))
    (registered,) = await registry.wait_for_facts("typed", ModelRegistered)
    assert json.dumps(registered.parameters, sort_keys=True) == json.dumps(numbers, sort_keys=True)
