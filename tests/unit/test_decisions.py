"""Laws of every decision, on any history that the deciders themselves can make."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given as any_
from hypothesis import settings
from hypothesis import strategies as st
from modelog.events import BY_TYPE, Fact, ModelPromoted, ModelRegistered
from modelog.policy import DEFAULT, Policy

from services.ingestion.decision import Register, registration
from services.promotion.decision import Promote, promotion
from services.retirement.decision import Retire, retirement
from services.retraining.decision import Consider, retraining
from services.validation.decision import Judge, validation
from shared.domain.decider import Decider
from shared.domain.looking import BytesSeen
from shared.domain.stages import ARCHIVED
from tests.examples import RETRAINING, after, digest, drifted, trained, uri
from tests.looking import decided

DECIDERS: Sequence[Decider[Any, Any]] = (registration, validation, promotion, retraining, retirement)
NUMBERS = st.integers(1, 3)
Asked = tuple[Decider[Any, Any], Any]


def register(run: int, score: int = 5) -> Asked:
    report = trained(f"run-{run}", metrics={"f1": score / 10})
    bytes_ = 1 if score else 2
    return registration, Register(report, digest(bytes_), uri(bytes_), 3, "pickle", ())


def judge(version: int) -> Asked:
    return validation, Judge("fraud", version, BytesSeen(digest(1)), DEFAULT)


def promote(version: int, stage: str, automatic: bool, policy: Policy = DEFAULT) -> Asked:
    return promotion, Promote("fraud", version, stage, "ada", "", policy, automatic)


STAGES = st.sampled_from(["staging", "production", "moon"])
ASKED = st.one_of(
    st.builds(register, NUMBERS, st.sampled_from([0, 4, 9])),
    st.builds(judge, NUMBERS),
    st.builds(promote, NUMBERS, STAGES, st.booleans(), st.sampled_from([DEFAULT, Policy(promote_to=None)])),
    st.builds(
        lambda v, hours: (retraining, Consider(drifted(v), RETRAINING, DEFAULT, after(hours=hours))), NUMBERS, NUMBERS
    ),
    st.builds(lambda v: (retirement, Retire("fraud", v, "ada", "")), NUMBERS),
)
LIVES = st.builds(
    lambda v, score, stage: [register(v, score), judge(v), promote(v, stage, False)], NUMBERS, st.integers(1, 9), STAGES
)
"""By chance alone a history in a hundred has a promotion, so most have commands that belong together."""
HISTORIES = st.lists(st.one_of(LIVES, st.lists(ASKED, min_size=1, max_size=4)), max_size=8).map(
    lambda parts: [asked for part in parts for asked in part]
)


def history(asked: Sequence[Asked]) -> list[Fact]:
    """What the services answer to these commands, in this order."""
    facts: list[Fact] = []
    for decider, command in asked:
        facts += decided(decider, decider.after(decider.initial, facts), command)
    return facts


def test_the_histories_of_these_tests_have_every_fact() -> None:
    kinds: set[type[Fact]] = set()

    @settings(derandomize=True, database=None, max_examples=300)
    @any_(HISTORIES)
    def collect(asked: Any) -> None:
        kinds.update(map(type, history(asked)))

    collect()
    assert kinds == {fact for decider in DECIDERS for fact in decider.answers}


@any_(HISTORIES)
def test_versions_are_numbered_without_a_hole(asked: Any) -> None:
    versions = [fact.version for fact in history(asked) if isinstance(fact, ModelRegistered)]
    assert versions == list(range(1, len(versions) + 1))


@any_(HISTORIES)
def test_a_stage_is_served_by_one_version_and_a_version_serves_one_stage(asked: Any) -> None:
    state = promotion.after(promotion.initial, history(asked))
    for stage, version in state.serving.items():
        assert state.versions[version].stage == stage
        assert state.versions[version].status == "validated"
    for version, candidate in state.versions.items():
        if candidate.stage not in ("development", ARCHIVED):
            assert state.serving[candidate.stage] == version


@any_(HISTORIES)
def test_what_a_promotion_replaces_is_what_served_before(asked: Any) -> None:
    serving: dict[str, int] = {}
    for fact in history(asked):
        if isinstance(fact, ModelPromoted):
            assert fact.replaces == serving.get(fact.stage)
            serving = {stage: version for stage, version in serving.items() if version != fact.version}
            serving[fact.stage] = fact.version


@any_(HISTORIES)
def test_a_decision_answers_only_what_its_decider_declares(asked: Any) -> None:
    facts: list[Fact] = []
    for decider, command in asked:
        answer = decided(decider, decider.after(decider.initial, facts), command)
        assert {type(fact) for fact in answer} <= set(decider.answers)
        facts += answer


@any_(HISTORIES)
def test_a_fact_about_a_version_that_is_not_registered_is_a_refusal_that_says_so(asked: Any) -> None:
    """So that views can leave it out: a row of a version comes from model.registered."""
    registered = 0
    for fact in history(asked):
        if isinstance(fact, ModelRegistered):
            registered = fact.version
        elif getattr(fact, "version", 0) > registered:
            assert getattr(fact, "reasons", ()) == ("unknown version",)


@any_(HISTORIES)
def test_a_fact_that_a_decider_does_not_remember_leaves_its_state_alone(asked: Any) -> None:
    facts = history(asked)
    for decider in DECIDERS:
        remembered = [fact for fact in facts if type(fact) in decider.remembers]
        assert decider.after(decider.initial, remembered) == decider.after(decider.initial, facts)


@any_(HISTORIES)
def test_a_state_folded_from_the_log_is_the_state_folded_from_memory(asked: Any) -> None:
    facts = history(asked)
    logged: Any = [BY_TYPE[fact.type].model_validate_json(fact.model_dump_json()) for fact in facts]
    for decider in DECIDERS:
        assert decider.after(decider.initial, logged) == decider.after(decider.initial, facts)


@any_(HISTORIES, ASKED)
def test_an_answer_of_nothing_stays_an_answer_of_nothing(asked: Any, last: Any) -> None:
    """Nothing leaves no trace, so the same message may be decided again, on any later state."""
    facts: list[Fact] = []
    silent: list[Asked] = []
    for decider, command in [*asked, last]:
        answer = decided(decider, decider.after(decider.initial, facts), command)
        registered = {fact.version for fact in facts if isinstance(fact, ModelRegistered)}
        known = not isinstance(command, Judge) or command.version in registered
        if not answer and known:
            silent.append((decider, command))
        facts += answer
        for quiet, again in silent:
            assert decided(quiet, quiet.after(quiet.initial, facts), again) == []
