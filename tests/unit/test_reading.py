"""The door of the services: what is left out of a report or a request is counted and named, the rest is parked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from modelog.envelope import SCHEMA_VERSION, Unreadable, encode
from modelog.events import DriftDetected, ModelTrained
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from shared.bus.reading import read
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
