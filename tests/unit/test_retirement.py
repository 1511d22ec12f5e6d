from typing import Any

import pytest
from modelog.events import Fact

from services.retirement.decision import Retire, retirement
from tests.examples import promoted, registered, retired
from tests.spec import given

BOTH: list[Fact] = [registered(1), registered(2), promoted(1)]


def retire(version: int) -> Retire:
    return Retire("fraud", version, "ada", "superseded")


def test_a_version_that_serves_nowhere_is_retired() -> None:
    given(retirement, BOTH).when(retire(2)).then(retired(2, reason="superseded"))


def test_a_version_that_was_replaced_can_be_retired() -> None:
    given(retirement, [*BOTH, promoted(2, replaces=1)]).when(retire(1)).then(retired(1, reason="superseded"))


@pytest.mark.parametrize(("facts", "version", "reason"), [
    (BOTH, 1, "serves"),
    (BOTH, 3, "unknown version"),
    ([*BOTH, retired(2)], 2, "already retired"),
    ([*BOTH, promoted(2, "staging")], 2, "serves"),
])  # fmt: skip
def test_a_version_that_cannot_be_retired_is_refused(facts: list[Any], version: int, reason: str) -> None:
    given(retirement, facts).when(retire(version)).then_refused(reason, sentence=f"fraud/{version}")


def test_retiring_a_version_again_changes_nothing() -> None:
    story = given(retirement, BOTH).when(retire(2)).when(retire(2))
    story.then_refused("already retired")
    assert story.state == given(retirement, [*BOTH, retired(2)]).state


def test_a_version_that_left_the_stage_it_served_can_be_retired() -> None:
    left = [*BOTH, promoted(2, "staging"), promoted(2, "production", leaves="staging", replaces=1)]
    story = given(retirement, left)
    story.when(retire(2)).then_refused("serves")
    story.when(retire(1)).then(retired(1, reason="superseded"))
