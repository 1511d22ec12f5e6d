"""What became of a message: answered, parked, or not known."""

from __future__ import annotations

from uuid import uuid4

import pytest
from modelog.envelope import cause_of, encode
from modelog.events import ModelPromoted, PromotionRefused, PromotionRequested

from operations.message import became
from operations.parked import Servers
from tests.integration.in_process import InProcessRegistry
from tests.integration.test_parked import park


async def test_the_facts_that_answer_a_message_are_named(
    registry: InProcessRegistry, opened: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    await registry.send(registry.trained("fraud"), id="run-1")
    await registry.wait_for_facts("fraud", ModelPromoted)
    capsys.readouterr()
    assert await became(opened, cause_of("/tests", "run-1"), "/tests", "run-1")
    lines = capsys.readouterr().out.splitlines()  # those of services may be among them
    assert any(line.startswith("Answered by model.registered of fraud/1, position 1, /modelog/in") for line in lines)


async def test_a_refusal_is_named_with_its_reasons(
    registry: InProcessRegistry, opened: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    await registry.send(PromotionRequested(model="none", version=7, by="ada"), id="please")
    await registry.wait_for_facts("none", PromotionRefused)
    capsys.readouterr()
    assert await became(opened, cause_of("/tests", "please"))
    assert "promotion.refused of none/7" in (out := capsys.readouterr().out)
    assert ": unknown version (" in out


async def test_a_parked_message_is_named_with_the_reason(
    registry: InProcessRegistry, opened: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    key, value, headers = encode(registry.trained("astray"), source="/tests", id="astray")
    place = await park(registry, opened, value, key, headers)
    capsys.readouterr()
    assert await became(opened, cause_of("/tests", "astray"), "/tests", "astray")
    out = capsys.readouterr().out
    assert "\nParked by retraining at 20" in f"\n{out}"
    assert place in out
    assert "expected drift.detected" in out


async def test_of_an_unknown_message_is_said_what_that_can_mean(
    opened: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not await became(opened, uuid4())
    out = capsys.readouterr().out
    assert "\nNo fact names it as its cause" in f"\n{out}"
    assert "modelog_lag" in out
