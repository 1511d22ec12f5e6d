"""What can be read and is odd: it is answered with a fact that says so, or once, and nothing waits behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
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

from stack import Addresses
from tests.integration.desk import Desk, until
from tests.integration.opening import opened

FINDING = Finding(check="forged", passed=True, required="", observed="", sentence="")


@pytest.fixture(scope="module")
async def desk(stack: Addresses) -> AsyncIterator[Desk]:
    async with opened(stack) as desk:
        yield desk


async def test_metrics_that_are_no_numbers_are_registered_and_rejected(desk: Desk) -> None:
    await desk.say(desk.trained("nan", metrics={"f1": float("nan"), "loss": float("inf")}))
    (rejected,) = await desk.said("nan", ModelRejected)
    assert rejected.version == 1
    finding = next(one for one in rejected.findings if one.check == "metrics finite")
    assert not finding.passed
    assert finding.sentence == "f1 is nan, loss is inf"
    assert (await desk.goes_on("nan")).version == 2


async def test_wishes_before_there_is_a_version_are_refused(desk: Desk) -> None:
    await desk.say(PromotionRequested(model="early", version=1, by="ada"))
    await desk.say(RetirementRequested(model="early", version=1, by="ada"))
    await desk.say(DriftDetected(model="early", version=1, detector="ks", score=1, threshold=0, drifted=True))
    kinds: tuple[Any, ...] = (PromotionRefused, RetirementRefused, RetrainingDeclined)
    for kind in kinds:
        (refused,) = await desk.said("early", kind)
        assert refused.reasons == ("unknown version",)
    assert (await desk.goes_on("early")).version == 1
    (promoted,) = await desk.said("early", ModelPromoted)
    assert promoted.version == 1


async def test_a_wish_for_a_version_that_nobody_knows_is_refused(desk: Desk) -> None:
    await desk.goes_on("unknown")
    await desk.said("unknown", ModelPromoted)
    await desk.say(PromotionRequested(model="unknown", version=2**31 - 1, by="ada"))
    (refused,) = await desk.said("unknown", PromotionRefused)
    assert refused.reasons == ("unknown version",)


async def test_the_same_message_a_thousand_times_is_answered_once(desk: Desk) -> None:
    trained = desk.trained("again")
    wish = PromotionRequested(model="again", version=9, by="ada")
    for event in (trained, wish):
        key, value, headers = encode(event, source="/tests", id="the-very-same")
        topic = desk.settings.topic_prefix + event.type
        sent = [await desk.producer.send(topic, value, key, headers=headers, partition=0) for _ in range(1000)]
        await asyncio.gather(*sent)
    assert (await desk.goes_on("again")).version == 2
    await desk.say(PromotionRequested(model="again", version=8, by="behind"))

    async def behind() -> bool:
        return any(isinstance(one, PromotionRefused) and one.by == "behind" for one in await desk.facts("again"))

    await until(behind, "the refusal of the wish behind")
    facts = await desk.facts("again")
    assert len([one for one in facts if isinstance(one, ModelRegistered)]) == 2
    assert len([one for one in facts if isinstance(one, PromotionRefused) and one.by == "ada"]) == 1


async def test_a_verdict_that_nobody_gave_promotes_nothing(desk: Desk) -> None:
    forged = ModelValidated(model="forged", version=1, findings=(FINDING,), policy=DEFAULT.digest)
    await desk.say(forged)
    (refused,) = await desk.said("forged", PromotionRefused)
    assert refused.reasons == ("unknown version",)
    await desk.say(desk.trained("forged", metrics={"f1": float("nan")}))
    await desk.said("forged", ModelRejected)
    await desk.say(forged)
    _, refused = await desk.said("forged", PromotionRefused, 2)
    assert refused.reasons == ("rejected",)
    assert not [one for one in await desk.facts("forged") if isinstance(one, ModelPromoted)]


async def test_a_registration_that_nobody_made_is_not_judged(desk: Desk) -> None:
    registered = await desk.goes_on("ghost")
    await desk.said("ghost", ModelPromoted)
    await desk.say(registered.model_copy(update={"version": 7}))
    await desk.goes_on("ghost", run="behind the ghost")
    verdicts = await desk.said("ghost", ModelValidated, 2)
    assert [one.version for one in verdicts] == [1, 2]


async def test_a_forged_registration_does_not_stand_in_for_the_bytes_of_the_real_one(desk: Desk) -> None:
    """What is judged is what the log holds, not what somebody writes on the topic meanwhile."""
    real = await desk.goes_on("bytes")
    forged = real.model_copy(update={"version": 2, "run": "lost", "manifest": real.manifest.replace("a", "b")})
    await desk.say(forged)
    for _ in range(20):
        await desk.say(forged)
    await desk.goes_on("bytes", run="lost")
    await desk.say(forged)
    verdicts: list[Any] = await desk.said("bytes", ModelValidated, 2)
    assert [one.version for one in verdicts] == [1, 2]


@pytest.mark.parametrize(
    "time", ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "soon", "\0", ""]
)
async def test_what_time_a_message_claims_changes_nothing(desk: Desk, time: str) -> None:
    key, value, headers = encode(desk.trained("clock", run=f"at {time!r}"), source="/tests")
    told = [*((n, v) for n, v in headers if n != "ce_time"), ("ce_time", time.encode())]
    await desk.hand_in("model.trained", value, key, told)
    await desk.goes_on("clock", run=f"behind {time!r}")
    runs = [one.run for one in await desk.facts("clock") if isinstance(one, ModelRegistered)]
    assert runs[-2:] == [f"at {time!r}", f"behind {time!r}"]


@pytest.mark.parametrize("at", ["1970-01-01T00:00:00+00:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
async def test_a_run_of_any_century_is_registered(desk: Desk, at: str) -> None:
    value = json.dumps(desk.trained("century", run=at).model_dump(mode="json") | {"trained_at": at}).encode()
    _, _, headers = encode(desk.trained("century"), source="/tests")
    await desk.hand_in("model.trained", value, b"century", headers)
    await desk.goes_on("century", run=f"behind {at}")
    assert any(isinstance(one, ModelRegistered) and one.run == at for one in await desk.facts("century"))


async def test_of_a_key_that_is_there_twice_the_last_one_counts(desk: Desk) -> None:
    trained = desk.trained("double")
    value = trained.model_dump_json().replace('"model":"double"', '"model":"single","model":"double"').encode()
    key, _, headers = encode(trained, source="/tests")
    await desk.hand_in("model.trained", value, key, headers)
    (registered,) = await desk.said("double", ModelRegistered)
    assert registered.model == "double"


@pytest.mark.parametrize("kind", ["application/cloudevents+json", "Application/CloudEvents+JSON; charset=UTF-8"])
async def test_structured_mode_is_read_too(desk: Desk, kind: str) -> None:
    model = f"structured-{len(kind)}"
    data = desk.trained(model).model_dump(mode="json")
    envelope = {"specversion": "1.0", "type": "model.trained", "id": 7, "source": "/tests", "data": data}
    await desk.hand_in("model.trained", json.dumps(envelope).encode(), None, [("content-type", kind.encode())])
    (registered,) = await desk.said(model, ModelRegistered)
    assert registered.version == 1


async def test_numbers_of_any_size_come_back_as_they_were(desk: Desk) -> None:
    numbers = {"large": 10**4000, "small": 1e-300, "list": [2**64, -(2**64), 0.1]}
    await desk.say(desk.trained("numbers", parameters=numbers))
    (registered,) = await desk.said("numbers", ModelRegistered)
    assert registered.parameters == numbers
    await desk.said("numbers", ModelPromoted)
