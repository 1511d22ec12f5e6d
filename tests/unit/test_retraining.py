from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from modelog.events import DriftDetected, Fact
from modelog.policy import DEFAULT, Policy
from modelog.values import Dataset

from services.retraining.decision import Consider, retraining
from tests.examples import (
    NOON,
    RETRAINING,
    after,
    drifted,
    promoted,
    recorded,
    refused_registration,
    registered,
    requested,
    retired,
)
from tests.spec import given

RECIPE: dict[str, Any] = {"parameters": {"depth": 3}, "datasets": (Dataset(name="payments", version="7"),)}
SERVING: list[Fact] = [registered(1, **RECIPE), promoted(1)]


def consider(
    report: DriftDetected | None = None, at: datetime = NOON, id: UUID = RETRAINING, policy: Policy = DEFAULT
) -> Consider:
    return Consider(report or drifted(), id, policy, at)


def test_drift_is_recorded_and_asks_for_training_from_what_the_version_was_trained_with() -> None:
    given(retraining, SERVING).when(consider()).then(recorded(drifted()), requested(1, **RECIPE))


def test_a_report_without_drift_is_recorded_and_declined() -> None:
    quiet = drifted(drifted=False)
    story = given(retraining, SERVING).when(consider(quiet))
    story.then_refused("not drifted")
    assert story.facts[0] == recorded(quiet)


def test_a_second_request_waits_for_the_first() -> None:
    story = given(retraining, [*SERVING, requested()]).when(consider(at=after(hours=2)))
    story.then_refused("one is open")


def test_an_answered_request_leaves_room_for_the_next_after_the_cool_down() -> None:
    answered = [*SERVING, requested(), registered(2, answers=RETRAINING)]
    given(retraining, answered).when(consider(at=after(minutes=59))).then_refused("cooling down")
    story = given(retraining, answered).when(consider(at=after(minutes=61)))
    story.then(recorded(drifted()), requested(1, after(minutes=61), **RECIPE))


def test_the_cool_down_ends_exactly_when_the_policy_says() -> None:
    answered = [*SERVING, requested(), registered(2, answers=RETRAINING)]
    story = given(retraining, answered).when(consider(at=NOON + DEFAULT.cool_down))
    story.then(recorded(drifted()), requested(1, NOON + DEFAULT.cool_down, **RECIPE))


def test_a_refused_run_that_names_the_request_answers_it() -> None:
    refusal = refused_registration("run-2", "missing object", "no such object", answers=RETRAINING)
    story = given(retraining, [*SERVING, requested(), refusal])
    story.when(consider(at=after(minutes=59))).then_refused("cooling down")
    again = after(minutes=61)
    story.when(consider(at=again)).then(recorded(drifted()), requested(1, again, **RECIPE))


@pytest.mark.parametrize("answers", [None, UUID(int=7)])
def test_a_refused_run_that_names_no_request_or_another_leaves_the_request_open(answers: UUID | None) -> None:
    refusal = refused_registration("run-2", "missing object", "no such object", answers=answers)
    given(retraining, [*SERVING, requested(), refusal]).when(consider(at=after(hours=2))).then_refused("one is open")


@pytest.mark.parametrize("answers", [None, UUID(int=7)])
def test_a_version_that_answers_no_request_or_another_leaves_the_request_open(answers: UUID | None) -> None:
    facts = [*SERVING, requested(), registered(2, answers=answers)]
    given(retraining, facts).when(consider(at=after(hours=2))).then_refused("one is open")


def test_a_request_without_an_answer_prevents_the_next_until_patience_ends() -> None:
    story = given(retraining, [*SERVING, requested()]).when(consider(at=after(days=1)))
    story.then(recorded(drifted()), requested(1, after(days=1), **RECIPE))


def test_a_clock_that_jumped_ahead_once_does_not_stop_retraining_for_ever() -> None:
    ahead = requested(at=NOON + timedelta(days=3650))
    story = given(retraining, [*SERVING, ahead, registered(2, answers=RETRAINING)]).when(consider())
    story.then(recorded(drifted()), requested(1, **RECIPE))


@pytest.mark.parametrize(("fact", "reason"), [
    (promoted(2, replaces=1), "replaced"),
    (retired(1), "retired"),
])  # fmt: skip
def test_a_version_that_is_no_longer_used_is_not_trained_again(fact: Fact, reason: str) -> None:
    story = given(retraining, [registered(1), promoted(1), registered(2), fact]).when(consider())
    story.then_refused(reason)


def test_every_reason_is_given() -> None:
    story = given(retraining, [*SERVING, requested()]).when(consider(drifted(drifted=False)))
    story.then_refused("not drifted", "one is open", "cooling down", sentence="saw no drift; retraining")


def test_drift_of_an_unknown_version_is_declined_and_not_recorded() -> None:
    story = given(retraining, SERVING).when(consider(drifted(9)))
    story.then_refused("unknown version", sentence="fraud/9")
    assert len(story.facts) == 1
