"""A misspelt field is lost for readers, so it is refused where an event is made, and at the door of the services."""

from __future__ import annotations

import json
from typing import Any

import pytest
from modelog.envelope import SCHEMA_VERSION, Unreadable, decode, encode
from modelog.events import DriftDetected, ModelRegistered, ModelTrained, PromotionRequested
from modelog.values import Artifact, Code, Dataset, Experiment, File, Framework, Window
from pydantic import BaseModel, ValidationError

from tests.sdk.envelopes import REQUEST, record, structured, trained

HEX = "a" * 64
TRAINED: dict[str, Any] = {"model": "fraud", "run": "r1", "artifact": {}}


def misspelt(change: dict[str, Any]) -> list[Any]:
    return list(record(json.dumps({**TRAINED, **change}).encode(), ce_type=b"model.trained"))


def refusal(record: list[Any]) -> str:
    with pytest.raises(Unreadable) as raised:
        decode(*record, strict=True)
    return str(raised.value)


def test_a_report_with_a_misspelt_field_cannot_be_made() -> None:
    made: Any = DriftDetected
    with pytest.raises(ValidationError, match="unknown field featurs: did you mean features\\?"):
        made(model="fraud", version=1, detector="ks", score=1, threshold=0, drifted=True, featurs=("age",))


@pytest.mark.parametrize(
    ("value", "wrong", "meant"),
    [
        (PromotionRequested, "stag", "stage"),
        (Artifact, "fils", "files"),
        (File, "sha", "sha256"),
        (Dataset, "Versoin", "version"),
        (Code, "comit", "commit"),
        (Framework, "vers", "version"),
        (Experiment, "trackr", "tracker"),
        (Window, "begin", "known are start, end"),
        (ModelRegistered, "metric", "metrics"),
    ],
)
def test_neither_can_any_other_value(value: type[BaseModel], wrong: str, meant: str) -> None:
    with pytest.raises(ValidationError, match=f"unknown field {wrong}: .*{meant}"):
        value(**{wrong: 1})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"metric": {"auc": 0.9}}, "unknown field metric: did you mean metrics?"),
        ({"artifact": {"urii": "s3://b/k"}}, "unknown field artifact.urii: did you mean uri?"),
        (
            {"artifact": {"files": [{"path": "a", "size": 1, "sha256": HEX, "paht": "b"}]}},
            "unknown field artifact.files.0.paht: did you mean path?",
        ),
        (
            {"datasets": [{"name": "a"}, {"name": "b", "digst": "c"}]},
            "unknown field datasets.1.digst: did you mean digest?",
        ),
        ({"colour": "red"}, "unknown field colour: known are model, run"),
    ],
)
def test_a_field_is_unknown_at_any_depth_for_senders_and_at_the_door(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as raised:
        ModelTrained.model_validate({**TRAINED, **change})
    assert sentence in str(raised.value)
    assert sentence in refusal(misspelt(change))


def test_a_required_field_that_is_misspelt_is_missing_and_unknown() -> None:
    value = json.dumps({"modle": "fraud", "version": 7, "by": "mira"}).encode()
    sentence = refusal(list(record(value)))
    assert "model: Field required" in sentence
    assert sentence.endswith("; unknown field modle: did you mean model?")


@pytest.mark.parametrize("field", ["metrics", "parameters", "tags"])
def test_the_names_in_free_mappings_are_free(field: str) -> None:
    text: Any = "1" if field == "tags" else 1
    assert decode(*misspelt({field: {"metricss": text}}), strict=True).event == trained(**{field: {"metricss": text}})


def test_a_reader_ignores_unknown_fields_at_any_depth() -> None:
    assert decode(*misspelt({"colour": "red", "artifact": {"colour": "red"}})).event == trained()
    fact = {"model": "fraud", "version": 7, "by": "mira", "manifest": f"sha256:{HEX}", "uri": "s3://b/k", "stage": "a"}
    value = json.dumps({**fact, "policy": f"sha256:{HEX}", "colour": "red"}).encode()
    for strict in (False, True):
        assert decode(*record(value, ce_type=b"model.promoted"), strict=strict).event.model == "fraud"


def test_a_field_that_was_put_into_an_event_is_not_sent() -> None:
    with pytest.raises(ValueError, match="unknown field urgency"):
        encode(REQUEST.model_copy(update={"urgency": "high"}), source="ci")


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_the_unknown_fields_of_a_newer_sender_are_ignored_and_named(mode: str) -> None:
    newer, value = str(SCHEMA_VERSION + 1), REQUEST.model_dump(mode="json") | {"urgency": "high"}
    sent = {
        "binary": record(json.dumps(value).encode(), ce_schemaversion=newer.encode()),
        "structured": structured(value, schemaversion=SCHEMA_VERSION + 1),
    }
    message = decode(*sent[mode], strict=True)
    assert (message.event, message.notes.ignored) == (REQUEST, ("urgency",))


@pytest.mark.parametrize("version", [None, str(SCHEMA_VERSION).encode()])
def test_those_of_any_other_sender_are_not(version: bytes | None) -> None:
    value = json.dumps(REQUEST.model_dump(mode="json") | {"urgency": "high"}).encode()
    assert "unknown field urgency" in refusal(list(record(value, ce_schemaversion=version)))


@pytest.mark.parametrize("version", [b"two", b"", b"0", b"-1", b"1.5", b"9" * 20])
def test_a_schema_version_is_a_whole_number(version: bytes) -> None:
    sent = record(ce_schemaversion=version)
    assert "expected a whole number from 1 on in `ce_schemaversion`" in refusal(list(sent))
    assert decode(*sent).event == REQUEST


def test_a_schema_version_that_every_reader_knows_is_not_sent() -> None:
    assert SCHEMA_VERSION > 1 or "ce_schemaversion" not in dict(encode(REQUEST, source="ci")[2])


def test_many_unknown_fields_make_a_short_sentence() -> None:
    sentence = refusal(misspelt({"x" * 1000 + str(number): 1 for number in range(100)}))
    assert sentence.count("unknown field") == 5
    assert len(sentence) < 2000
