"""The content of reports: what is null may be left out, scores may be infinite, and nothing changes on the way."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from modelog.envelope import Message, Unreadable, decode, encode
from modelog.events import DriftDetected, Event, ModelTrained

from tests.sdk.envelopes import record, trained

RUN: dict[str, Any] = {"model": "fraud", "run": "r1", "artifact": {}}
DRIFT: dict[str, Any] = {
    "model": "fraud",
    "version": 7,
    "detector": "kl",
    "score": 1,
    "threshold": 0.2,
    "drifted": True,
}
strictly = pytest.mark.parametrize("strict", [True, False], ids=["the door", "readers"])


def read(value: dict[str, Any] | bytes, type: str = "model.trained", *, strict: bool = True) -> Message[Event]:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return decode(*record(content, ce_type=type.encode()), strict=strict)


def refusal(value: dict[str, Any], type: str = "model.trained") -> str:
    with pytest.raises(Unreadable) as raised:
        read(value, type)
    return str(raised.value)


def drift(value: dict[str, Any] | bytes, *, strict: bool = True) -> DriftDetected:
    event = read(value, "drift.detected", strict=strict).event
    assert isinstance(event, DriftDetected)
    return event


@strictly
def test_a_metric_that_is_null_costs_the_metric_and_not_the_report(strict: bool) -> None:
    message = read({**RUN, "metrics": {"auc": 0.9, "recall": None, "loss": math.nan}}, strict=strict)
    assert isinstance(message.event, ModelTrained)
    assert list(message.event.metrics) == ["auc", "loss"]
    assert message.notes.dropped == ("recall",)
    assert message.digest == read({**RUN, "metrics": {"auc": 0.9, "loss": math.nan}}).digest


@strictly
def test_lists_maps_and_texts_that_are_null_in_go_are_empty(strict: bool) -> None:
    nulls = dict.fromkeys(("metrics", "parameters", "tags", "features", "datasets", "dependencies", "description"))
    message = read({**RUN, **nulls, "artifact": {"files": None, "uri": None}, "code": None}, strict=strict)
    assert (message.event, message.notes.dropped) == (trained(), ())


@pytest.mark.parametrize("name", ["model", "run", "artifact"])
def test_what_is_required_may_not_be_null(name: str) -> None:
    assert f"{name}: " in refusal({**RUN, name: None})


def test_a_null_does_not_hide_another_problem() -> None:
    assert refusal({**RUN, "metrics": {"a": None, "b": "x"}}).endswith(
        "metrics.b: Input should be a valid number, unable to parse string as a number, found 'x'"
    )
    assert "unknown field metric:" in refusal({**RUN, "metrics": {"a": None}, "metric": {}})


@strictly
def test_parameters_keep_their_nulls(strict: bool) -> None:
    message = read({**RUN, "parameters": {"depth": None}, "metrics": {"a": None}}, strict=strict)
    assert message.event == trained(parameters={"depth": None})


@strictly
@pytest.mark.parametrize("name", ["score", "threshold"])
@pytest.mark.parametrize(
    ("sent", "found"), [(b"Infinity", math.inf), (b'"-Infinity"', -math.inf), (b"1e999", math.inf)]
)
def test_a_score_may_be_infinite(name: str, sent: bytes, found: float, strict: bool) -> None:
    value = (
        json.dumps({**DRIFT, name: 0}).encode().replace(b'"%s": 0' % name.encode(), b'"%s": %s' % (name.encode(), sent))
    )
    event = drift(value, strict=strict)
    assert getattr(event, name) == found
    assert decode(*encode(event, source="ci")).event == event


@strictly
@pytest.mark.parametrize("sent", [None, math.nan, "NaN"])
def test_a_score_that_is_no_number_is_nan_and_the_verdict_counts(sent: Any, strict: bool) -> None:
    event = drift({**DRIFT, "score": sent, "threshold": sent}, strict=strict)
    assert (math.isnan(event.score), math.isnan(event.threshold), event.drifted) == (True, True, True)
    assert json.loads(encode(event, source="ci")[1])["score"] == "NaN"


def test_a_score_without_a_verdict_says_nothing() -> None:
    assert "drifted: Field required" in refusal(
        {name: DRIFT[name] for name in DRIFT if name != "drifted"}, "drift.detected"
    )
    assert "score: Field required" in refusal(
        {name: DRIFT[name] for name in DRIFT if name != "score"}, "drift.detected"
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, [{"a": -math.inf}]])
def test_a_parameter_that_is_no_number_of_json_is_refused_at_the_door(value: Any) -> None:
    assert "is no number of JSON" in refusal({**RUN, "parameters": {"p": value}})
    assert read({**RUN, "parameters": {"p": value}}, strict=False)


def test_a_window_begins_before_it_ends_whatever_the_zones_of_its_times() -> None:
    good = {"start": "2026-01-05T09:00:00+02:00", "end": "2026-01-05T08:00:00Z"}
    assert drift({**DRIFT, "window": good}).window
    wrong = {"start": good["end"], "end": good["start"]}
    assert "window: it starts at 2026-01-05 08:00:00+00:00, after its end" in refusal(
        {**DRIFT, "window": wrong}, "drift.detected"
    )
    assert drift({**DRIFT, "window": wrong}, strict=False)


def test_a_time_without_its_zone_is_refused_with_what_to_do() -> None:
    assert refusal({**RUN, "trained_at": "2026-01-05T09:00:00"}).endswith(
        "found '2026-01-05T09:00:00', give it a time zone"
    )


def test_the_same_time_in_another_zone_is_the_same_content() -> None:
    at = datetime(2026, 1, 5, 9, tzinfo=timezone.utc)
    elsewhere = at.astimezone(timezone(timedelta(hours=2)))
    runs = [Message(trained(trained_at=time), "1", "ci") for time in (at, elsewhere)]
    assert runs[0].digest == runs[1].digest != Message(trained(trained_at=at + timedelta(hours=2)), "1", "ci").digest
    texts = ["2026-01-05T09:00:00Z", "2026-01-05T09:00:00.000+00:00", "2026-01-05T10:00:00+01:00"]
    windows = [read({**DRIFT, "window": {"start": text, "end": text}}, "drift.detected") for text in texts]
    assert len({message.digest for message in windows}) == 1


def test_a_digest_that_was_written_for_the_text_of_a_time_is_known_too() -> None:
    """They are in the log of older versions."""
    sent = read({**RUN, "trained_at": "2026-01-05T09:00:00+02:00"})
    assert sent.earlier_digest == "4b9f9fae6dc36df0fb23f411703db11f761404a56d5abe3df8dcc705d47fec1a"
    assert read({**RUN, "trained_at": "2026-01-05T07:00:00Z"}).earlier_digest is None
    assert (
        sent.digest
        == read({**RUN, "trained_at": "2026-01-05T07:00:00Z"}).digest
        == "0a608590b4e1d5dc41f83568d7dea923be9f0425afa10a03c22437d3a7e12f3b"
    )


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_the_ends_of_the_calendar_have_a_digest(time: str) -> None:
    assert read({**RUN, "trained_at": time}).digest
