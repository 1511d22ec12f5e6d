"""Records that are no events, or events that no service answers: parked as they came, with the reason; none blocks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from modelog.envelope import encode
from modelog.events import DriftDetected, ModelRegistered, PromotionRequested

from tests.integration.in_process import InProcessRegistry, reason

BINARY = [("ce_type", b"model.trained"), ("ce_id", b"1"), ("ce_source", b"/tests"), ("ce_specversion", b"1.0")]


def body(model: str, **other: Any) -> bytes:
    return json.dumps({"model": model, "run": "r", "artifact": {}, **other}).encode()


@pytest.mark.parametrize(
    ("case", "value", "why"),
    [
        ("bad-json", b'{"model": ', "Invalid JSON"),
        ("not-utf-8", b'{"model": "\xff\xfe"}', "Invalid JSON"),
        ("a-list", b"[1, 2, 3]", "found the value"),
        ("wrong-schema", b'{"model": "wrong-schema", "run": 7}', "run: Input should be a valid string"),
        ("no-artifact", b'{"model": "no-artifact", "run": "r"}', "artifact: Field required"),
        ("two-artifacts", body("two-artifacts", artifact={"uri": "s3://a/b", "files": [{}]}), "artifact"),
        ("an-empty-value", b"", "found an empty value"),
        ("a-tombstone", None, "found an empty value"),
        ("two-megabytes", body("two-megabytes", description="x" * 2**21), "at most 1048576 bytes, found 2097"),
        ("a-nul", body("a-nul", description="\0"), "the NUL character"),
        ("a-lone-surrogate", body("a-lone-surrogate", description="\ud83d"), "Invalid JSON"),
        ("depth", body("depth", parameters={"a": 0}).replace(b"0", b"[" * 50_000 + b"]" * 50_000), "at most 64 levels"),
        ("huge", body("huge", metrics={"f1": 0}).replace(b"0", b"1" + b"0" * 5000), "number out of range"),
        ("text-metric", body("text-metric", metrics={"f1": "good"}), "metrics.f1"),
        ("1970-02-30", body("1970-02-30", trained_at="1970-02-30T00:00:00Z"), "trained_at"),
        ("year-99999", body("year-99999", trained_at="99999-01-01T00:00:00Z"), "trained_at"),
        ("no-zone", body("no-zone", trained_at="2026-01-01T00:00:00"), "trained_at: Input should have timezone info"),
    ],
)
async def test_a_record_that_is_no_run_is_parked(
    registry: InProcessRegistry, case: str, value: bytes | None, why: str
) -> None:
    sent = await registry.send_record("model.trained", value, case.encode(), BINARY)
    await registry.registers_next(case)
    assert why in reason(await registry.wait_for_parked(sent))
    assert [type(fact).type for fact in await registry.facts(case)][:1] == ["model.registered"]


@pytest.mark.parametrize(
    "name",
    ["m" * 300, "a/b", "../fraud", "/fraud", "a\tb", "a\nb", "\x1b[31m", "fraud🙂", "🙂", "", " ", "fraud ", "-f", "é"],
)
async def test_a_name_that_can_name_no_model_is_parked(registry: InProcessRegistry, name: str) -> None:
    sent = await registry.send_record("model.trained", body(name), name.encode(), BINARY)
    assert "a model's name has 1 to 200 characters" in reason(await registry.wait_for_parked(sent))
    await registry.registers_next("named-well", run=f"behind {name!r}"[:300])
    assert not await registry.facts(name)


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ([], "expected the event's type in the header `ce_type`, found none"),
        ([("ce_type", b"model.imagined"), *BINARY[1:]], "found 'model.imagined'"),
        ([("ce_type", None), *BINARY[1:]], "the header `ce_type`, found none"),
        ([("ce_type", b"\xff\x00"), *BINARY[1:]], "expected a type out of"),
        ([("ce_type", b""), *BINARY[1:]], "the header `ce_type`, found none"),
        ([BINARY[0], BINARY[2]], "expected the header `ce_id`, found none"),
        ([BINARY[0], BINARY[1]], "expected the header `ce_source`, found none"),
    ],
)
async def test_a_record_without_type_id_or_source_is_parked(
    registry: InProcessRegistry, headers: Any, why: str
) -> None:
    model = f"untyped-{len(headers)}"
    sent = await registry.send_record("model.trained", body(model), model.encode(), headers)
    assert why in reason(await registry.wait_for_parked(sent))
    await registry.registers_next(model, run=f"behind {why}")


async def test_null_and_binary_headers_beside_a_good_event_do_no_harm(registry: InProcessRegistry) -> None:
    key, value, headers = encode(registry.trained("odd-headers"), source="/tests")
    odd = [("x", None), ("x", b"\xff"), ("ce_traceparent", b"\xff\x00"), ("content-type", None), ("", b"")]
    await registry.send_record("model.trained", value, key, [*headers, *odd])
    (registered,) = await registry.wait_for_facts("odd-headers", ModelRegistered)
    assert registered.version == 1


async def test_a_parked_record_keeps_its_key_its_value_and_its_headers(registry: InProcessRegistry) -> None:
    headers = [("x", None), ("x", b"\xff"), ("ce_type", b"model.trained"), ("empty", b"")]
    sent = await registry.send_record("model.trained", b"\x00\xff not json", b"\xffkey", headers)
    parked = await registry.wait_for_parked(sent)
    assert (parked.key, parked.value) == (b"\xffkey", b"\x00\xff not json")
    assert list(parked.headers)[: len(headers)] == headers
    added = dict(parked.headers[len(headers) :])
    assert set(added) == {f"parked_{name}" for name in ("service", "topic", "partition", "offset", "at", "reason")}
    assert added["parked_service"] == b"ingestion"


async def test_a_key_that_is_another_model_is_parked(registry: InProcessRegistry) -> None:
    sent = await registry.send_record("model.trained", body("the-body"), b"the-key", BINARY)
    assert "expected the model 'the-body' as the record's key, found b'the-key'" in reason(
        await registry.wait_for_parked(sent)
    )
    await registry.registers_next("the-body")


async def test_an_event_on_a_topic_of_another_is_parked(registry: InProcessRegistry) -> None:
    drift = DriftDetected(model="astray", version=1, detector="ks", score=1, threshold=0, drifted=True)
    key, value, headers = encode(drift, source="/tests")
    sent = await registry.send_record("model.trained", value, key, headers)
    assert "expected model.trained on" in reason(await registry.wait_for_parked(sent))
    request = PromotionRequested(model="astray", version=1, by="ada")
    key, value, headers = encode(request, source="/tests")
    sent = await registry.send_record("retirement.requested", value, key, headers)
    assert "found promotion.requested: send it to its topic" in reason(await registry.wait_for_parked(sent))
    await registry.registers_next("astray")
