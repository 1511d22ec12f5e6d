"""A run that is reported again: the same is nothing new, a correction is refused, and what it answers is closed."""

from __future__ import annotations

from typing import Any

from modelog.events import (
    DriftDetected,
    ModelPromoted,
    ModelRegistered,
    RegistrationRefused,
    RetrainingDeclined,
    RetrainingRequested,
)
from modelog.values import Artifact, File

from tests.integration.in_process import InProcessRegistry

RUN: dict[str, Any] = {
    "metrics": {"auc": float("nan"), "loss": 1, "shift": -0.0},
    "parameters": {"rate": 1e-7, "steps": 1e300, "layers": [1.0, {"width": 2}], "seed": None},
}


async def test_the_same_report_in_another_message_is_nothing_new(registry: InProcessRegistry) -> None:
    for _ in range(2):
        await registry.send(registry.trained("same", **RUN))
    assert (await registry.registers_next("same")).version == 2
    facts = await registry.facts("same")
    assert [type(fact) for fact in facts if isinstance(fact, (ModelRegistered, RegistrationRefused))] == [
        ModelRegistered,
        ModelRegistered,
    ]


async def test_a_correction_of_metrics_is_refused_with_what_differs(registry: InProcessRegistry) -> None:
    await registry.send(registry.trained("corrected", **RUN))
    await registry.send(registry.trained("corrected", **{**RUN, "metrics": {"auc": 0.91, "loss": 1.0, "shift": 0}}))
    (refused,) = await registry.wait_for_facts("corrected", RegistrationRefused)
    assert refused.reasons == ("run registered with other metrics",)
    assert (await registry.registers_next("corrected")).version == 2


async def test_a_request_for_retraining_is_closed_by_a_refusal_that_names_it(registry: InProcessRegistry) -> None:
    drift = DriftDetected(model="answered", version=1, detector="ks", score=1, threshold=0.5, drifted=True)
    await registry.send(registry.trained("answered"))
    await registry.wait_for_facts("answered", ModelPromoted)
    await registry.send(drift)
    (requested,) = await registry.wait_for_facts("answered", RetrainingRequested)
    missing = Artifact(files=(File(path="model.pkl", size=3, sha256="0" * 64),))
    await registry.send(registry.trained("answered", "run-2", artifact=missing, answers=requested.retraining))
    (refused,) = await registry.wait_for_facts("answered", RegistrationRefused)
    assert refused.answers == requested.retraining
    await registry.send(drift)
    (declined,) = await registry.wait_for_facts("answered", RetrainingDeclined)
    assert declined.reasons == ("cooling down",)
