from dataclasses import replace
from typing import Any, cast

import pytest
from modelog.events import Fact
from modelog.policy import DEFAULT, Policy

from services.promotion.decision import Promote, promotion
from shared.domain.looking import BytesProblem, BytesSeen, LookFirst
from tests.examples import digest, promoted, registered, rejected, retired, validated
from tests.spec import given

PROMOTE = Promote("fraud", 7, "production", "ada", "better recall", DEFAULT)


def promote(version: int = 7, **other: Any) -> Promote:
    return replace(PROMOTE, version=version, **other)


def answered(version: int = 7, **other: Any) -> Fact:
    return promoted(version, **{"by": "ada", "reason": "better recall", **other})


def versions(*numbers: int) -> list[Fact]:
    return [fact for number in numbers for fact in (registered(number), validated(number))]


def test_a_validated_version_serves() -> None:
    given(promotion, versions(7)).when(promote()).then(answered())


@pytest.mark.parametrize(("facts", "status"), [
    ([registered(7)], "registered"),
    (versions(7), "validated"),
    ([registered(7), rejected(7)], "rejected"),
    ([*versions(7), retired(7)], "retired"),
])  # fmt: skip
def test_the_status_of_a_version_is_that_of_its_last_fact(facts: list[Fact], status: str) -> None:
    assert given(promotion, facts).state.versions[7].status == status


def test_a_promoted_version_names_the_version_it_replaces() -> None:
    given(promotion, [*versions(6, 7), promoted(6)]).when(promote()).then(answered(replaces=6))


def test_a_version_that_was_replaced_can_come_back() -> None:
    story = given(promotion, [*versions(6, 7), promoted(6), promoted(7, replaces=6)])
    story.when(promote(6)).then(answered(6, replaces=7, leaves="archived"))


def test_a_version_leaves_the_stage_it_comes_from() -> None:
    story = given(promotion, versions(6, 7)).when(promote(stage="staging")).when(promote())
    story.then(answered(leaves="staging"))
    story.when(promote(6, stage="staging")).then(answered(6, stage="staging"))


def test_promoting_the_version_that_serves_again_is_refused_and_changes_nothing() -> None:
    story = given(promotion, [*versions(7), promoted(7)]).when(promote())
    story.then_refused("already serves")
    story.when(promote(7, stage="staging")).then(answered(7, stage="staging", leaves="production"))


@pytest.mark.parametrize(("facts", "reason"), [
    ([], "unknown version"),
    ([registered(7)], "not validated"),
    ([registered(7), rejected(7)], "rejected"),
    ([*versions(7), retired(7)], "retired"),
    ([registered(7), retired(7), validated(7)], "retired"),
])  # fmt: skip
def test_a_version_that_may_not_serve_is_refused(facts: list[Fact], reason: str) -> None:
    story = given(promotion, facts).when(promote())
    story.then_refused(reason, sentence="fraud/7")


def test_a_stage_that_the_policy_does_not_have_is_refused() -> None:
    story = given(promotion, versions(7)).when(promote(stage="moon"))
    story.then_refused("unknown stage", sentence="moon is no stage of the policy, which has staging, production")


def test_the_policy_does_not_promote_what_is_worse_than_a_champion_it_was_not_compared_with() -> None:
    facts = [registered(1), validated(1), registered(2, metrics={"f1": 0.8}), validated(2), promoted(1)]
    story = given(promotion, facts).when(promote(2, automatic=True))
    story.then_refused("worse than the champion", sentence="fraud/2 was compared with no champion, 1 serves production")
    story.then_refused("worse than the champion", sentence="worse than champion 1's 0.9")


def test_a_refusal_names_the_champion_that_the_version_was_compared_with() -> None:
    facts = [*versions(1, 3), registered(2, metrics={"f1": 0.8}), validated(2, compared_to=1), promoted(3)]
    story = given(promotion, facts).when(promote(2, automatic=True))
    story.then_refused("worse than the champion", sentence="was compared with 1, 3 serves production")


def test_the_policy_compares_no_second_time_with_the_same_champion() -> None:
    facts = [*versions(1), registered(2, metrics={"f1": 0.8}), validated(2, compared_to=1), promoted(1)]
    story = given(promotion, facts).when(promote(2, automatic=True))
    story.then(answered(2, replaces=1, metrics={"f1": 0.8}))


def test_the_policy_promotes_what_is_better_than_a_champion_it_was_not_compared_with() -> None:
    facts = [registered(1), validated(1), registered(2, metrics={"f1": 0.95}), validated(2), promoted(1)]
    story = given(promotion, facts).when(promote(2, automatic=True))
    story.then(answered(2, replaces=1, metrics={"f1": 0.95}))


def test_a_policy_that_promotes_nothing_by_itself_leaves_it_to_people() -> None:
    policy = Policy(promote_to=None)
    story = given(promotion, versions(7)).when(promote(automatic=True, policy=policy))
    story.then_refused("left to people")
    story.when(promote(policy=policy)).then(answered(policy=policy.digest))


def test_a_person_may_promote_what_is_worse_than_the_champion() -> None:
    facts = [registered(1), validated(1), registered(2, metrics={"f1": 0.8}), validated(2), promoted(1)]
    given(promotion, facts).when(promote(2)).then(answered(2, replaces=1, metrics={"f1": 0.8}))


GONE = BytesProblem("missing object", "expected 'a' at blobs/a, found no object there: upload the bytes again")
OTHER = BytesProblem("size differs", "expected 'b' with 3 bytes, found 4: upload the bytes again")


def test_before_a_version_serves_its_bytes_are_looked_at() -> None:
    state = given(promotion, versions(7)).state
    assert promotion.decide(state, promote()) == LookFirst(digest(7))
    assert promotion.decide(state, promote(seen=BytesSeen(digest(7)))) == [answered()]


def test_a_look_at_other_bytes_than_the_log_names_is_none() -> None:
    assert promotion.decide(given(promotion, versions(7)).state, promote(seen=BytesSeen(digest(6)))) == LookFirst(
        digest(7)
    )


@pytest.mark.parametrize(("facts", "command"), [
    ([], promote()),
    (versions(7), promote(stage="moon")),
    (versions(7), promote(automatic=True, policy=Policy(promote_to=None))),
    ([*versions(7), retired(7)], promote()),
    ([registered(7)], promote()),
    ([*versions(7), promoted(7)], promote()),
])  # fmt: skip
def test_what_is_refused_for_another_reason_needs_no_look(facts: list[Fact], command: Promote) -> None:
    assert not isinstance(promotion.decide(given(promotion, facts).state, command), LookFirst)


@pytest.mark.parametrize("automatic", [True, False])
def test_a_version_whose_bytes_are_not_as_promised_is_refused_with_every_reason(automatic: bool) -> None:
    story = given(promotion, versions(7)).when(promote(automatic=automatic), GONE, OTHER)
    story.then_refused("missing object", "size differs", sentence="fraud/7 cannot be downloaded: expected 'a' at")
    story.then_refused("missing object", "size differs", sentence="found 4: upload the bytes again")


def test_a_rollback_to_a_version_whose_bytes_are_gone_is_refused_and_the_stage_keeps_its_version() -> None:
    story = given(promotion, [*versions(6, 7), promoted(6), promoted(7, replaces=6)]).when(promote(6), GONE)
    story.then_refused("missing object")
    assert story.state.serving["production"] == 7
    story.when(promote(6)).then(answered(6, replaces=7, leaves="archived"))


def test_a_refusal_says_how_many_blobs_were_looked_at_where_that_is_not_every_blob() -> None:
    seen = BytesSeen(digest(7), (GONE,), looked_at=1000, blobs=1500)
    (refusal,) = cast(Any, promotion.decide(given(promotion, versions(7)).state, promote(seen=seen)))
    assert refusal.sentence.endswith("upload the bytes again; 1000 of 1500 blobs were looked at")
