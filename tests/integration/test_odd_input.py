"""Messages that can be read and are strange: each is answered once, and none blocks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from modelog.envelope import encode
from modelog.events import (
    DriftDetected,
    ModelPromoted,
    ModelRegistered,
    ModelRejected,
    ModelValidated,
    PromotionRefused,
    PromotionRequested,
    RetirementRefused,
    RetirementRequested,
    RetrainingDeclined,
)
from modelog.policy import DEFAULT
from modelog.values import Finding

from stack.waiting import until
from tests.integration.in_process import InProcessRegistry, reason

FINDING = Finding(check="forged", passed=True, required="", observed="", sentence="")


async def test_metrics_that_are_no_numbers_are_registered_and_rejected(registry: InProcessRegistry) -> None:
    await registry.send(registry.trained("nan", metrics={"f1": float("nan"), "loss": float("inf")}))
    (rejected,) = await registry.wait_for_facts("nan", ModelRejected)
    assert rejected.version == 1
    finding = next(check for check in rejected.findings if check.check == "metrics finite")
    assert not finding.passed
    assert finding.sentence == "f1 is nan, loss is inf"
    assert (await registry.registers_next("nan")).version == 2


async def test_requests_before_the_first_version_are_refused(registry: InProcessRegistry) -> None:
    await registry.send(PromotionRequested(model="early", version=1, by="ada"))
    await registry.send(RetirementRequested(model="early", version=1, by="ada"))
    await registry.send(DriftDetected(model="early", version=1, detector="ks", score=1, threshold=0, drifted=True))
    kinds: tuple[Any, ...] = (PromotionRefused, RetirementRefused, RetrainingDeclined)
    for kind in kinds:
        (refused,) = await registry.wait_for_facts("early", kind)
        assert refused.reasons == ("unknown version",)
    assert (await registry.registers_next("early")).version == 1
    (promoted,) = await registry.wait_for_facts("early", ModelPromoted)
    assert promoted.version == 1


async def test_a_request_for_an_unknown_version_is_refused(registry: InProcessRegistry) -> None:
    await registry.registers_next("unknown")
    await registry.wait_for_facts("unknown", ModelPromoted)
    await registry.send(PromotionRequested(model="unknown", version=2**31 - 1, by="ada"))
    (refused,) = await registry.wait_for_facts("unknown", PromotionRefused)
    assert refused.reasons == ("unknown version",)


async def test_the_same_message_a_thousand_times_is_answered_once(registry: InProcessRegistry) -> None:
    trained = registry.trained("again")
    request = PromotionRequested(model="again", version=9, by="ada")
    for event in (trained, request):
        key, value, headers = encode(event, source="/tests", id="the-very-same")
        topic = registry.settings.topic_prefix + event.type
        sent = [await registry.producer.send(topic, value, key, headers=headers, partition=0) for _ in range(1000)]
        await asyncio.gather(*sent)
    assert (await registry.registers_next("again")).version == 2
    await registry.send(PromotionRequested(model="again", version=8, by="behind"))

    async def behind() -> bool:
        return any(isinstance(fact, PromotionRefused) and fact.by == "behind" for fact in await registry.facts("again"))

    await until(behind, "the refusal of the last request", seconds=20, every=0.01)
    facts = await registry.facts("again")
    assert len([fact for fact in facts if isinstance(fact, ModelRegistered)]) == 2
    assert len([fact for fact in facts if isinstance(fact, PromotionRefused) and fact.by == "ada"]) == 1


async def test_a_forged_verdict_is_parked_and_leaves_no_fact(registry: InProcessRegistry) -> None:
    forged = ModelValidated(model="forged", version=1, findings=(FINDING,), policy=DEFAULT.digest)
    assert "only modelog publishes facts" in reason(await registry.wait_for_parked(await registry.send(forged)))
    assert await registry.facts("forged") == []
    await registry.send(registry.trained("forged", metrics={"f1": float("nan")}))
    await registry.wait_for_facts("forged", ModelRejected)
    await registry.wait_for_parked(await registry.send(forged, sequence=1))
    assert {type(fact) for fact in await registry.facts("forged")} == {ModelRegistered, ModelRejected}


async def test_a_forged_registration_is_not_judged(registry: InProcessRegistry) -> None:
    registered = await registry.registers_next("ghost")
    await registry.wait_for_facts("ghost", ModelPromoted)
    await registry.send(registered.model_copy(update={"version": 7}))
    await registry.registers_next("ghost", run="behind the ghost")
    verdicts = await registry.wait_for_facts("ghost", ModelValidated, 2)
    assert [fact.version for fact in verdicts] == [1, 2]


async def test_a_forged_registration_does_not_replace_the_bytes_of_the_real_registration(
    registry: InProcessRegistry,
) -> None:
    """The version in the log is judged, not the content of a message on the topic."""
    real = await registry.registers_next("bytes")
    forged = real.model_copy(update={"version": 2, "run": "lost", "manifest": real.manifest.replace("a", "b")})
    await registry.send(forged)
    for _ in range(20):
        await registry.send(forged)
    await registry.registers_next("bytes", run="lost")
    await registry.send(forged)
    verdicts: list[Any] = await registry.wait_for_facts("bytes", ModelValidated, 2)
    assert [fact.version for fact in verdicts] == [1, 2]


@pytest.mark.parametrize(
    "time", ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "soon", "\0", ""]
)
async def test_the_time_of_a_message_changes_nothing(registry: InProcessRegistry, time: str) -> None:
    key, value, headers = encode(registry.trained("clock", run=f"at {time!r}"), source="/tests")
    headers = [*((n, v) for n, v in headers if n != "ce_time"), ("ce_time", time.encode())]
    await registry.send_record("model.trained", value, key, headers)
    await registry.registers_next("clock", run=f"behind {time!r}")
    runs = [fact.run for fact in await registry.facts("clock") if isinstance(fact, ModelRegistered)]
    assert runs[-2:] == [f"at {time!r}", f"behind {time!r}"]


@pytest.mark.parametrize("at", ["1970-01-01T00:00:00+00:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
async def test_a_run_of_any_century_is_registered(registry: InProcessRegistry, at: str) -> None:
    value = json.dumps(registry.trained("century", run=at).model_dump(mode="json") | {"trained_at": at}).encode()
    _, _, headers = encode(registry.trained("century"), source="/tests")
    await registry.send_record("model.trained", value, b"century", headers)
    await registry.registers_next("century", run=f"behind {at}")
    assert any(isinstance(fact, ModelRegistered) and fact.run == at for fact in await registry.facts("century"))


async def test_the_last_value_of_a_repeated_key_counts(registry: InProcessRegistry) -> None:
    trained = registry.trained("double")
    value = trained.model_dump_json().replace('"model":"double"', '"model":"single","model":"double"').encode()
    key, _, headers = encode(trained, source="/tests")
    await registry.send_record("model.trained", value, key, headers)
    (registered,) = await registry.wait_for_facts("double", ModelRegistered)
    assert registered.model == "double"


@pytest.mark.parametrize("kind", ["application/cloudevents+json", "Application/CloudEvents+JSON; charset=UTF-8"])
async def test_structured_mode_is_read_too(registry: InProcessRegistry, kind: str) -> None:
    model = f"structured-{len(kind)}"
    data = registry.trained(model).model_dump(mode="json")
    envelope = {"specversion": "1.0", "type": "model.trained", "id": 7, "source": "/tests", "data": data}
    await registry.send_record("model.trained", json.dumps(envelope).encode(), None, [("content-type", kind.encode())])
    (registered,) = await registry.wait_for_facts(model, ModelRegistered)
    assert registered.version == 1


async def test_numbers_of_any_size_come_back_as_they_were(registry: InProcessRegistry) -> None:
    numbers = {"large": 10**4000, "small": 1e-300, "list": [2**64, -(2**64), 0.1]}
    await registry.send(registry.trained("numbers", parameters=numbers))
    (registered,) = await registry.wait_for_facts("numbers", ModelRegistered)
    assert registered.parameters == numbers
    await registry.wait_for_facts("numbers", ModelPromoted)
