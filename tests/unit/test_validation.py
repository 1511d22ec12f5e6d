import math
from typing import Any

import pytest
from modelog.events import Fact, ModelRejected, ModelValidated
from modelog.policy import DEFAULT, Limits, Policy
from modelog.values import Finding

from services.validation.decision import Judge, validation
from shared.domain.looking import BytesSeen
from tests.examples import digest, promoted, registered, rejected, validated
from tests.looking import missing
from tests.spec import Spec, given


def judge(version: int = 1, problems: tuple[str, ...] = (), policy: Policy = DEFAULT) -> Judge:
    return Judge("fraud", version, BytesSeen(digest(version), missing(*problems)), policy)


def verdict(story: Spec) -> Any:
    (fact,) = story.facts
    return fact


def failed(story: Spec) -> Finding:
    """The only finding that made the verdict a rejection."""
    fact = verdict(story)
    assert isinstance(fact, ModelRejected)
    (finding,) = [finding for finding in fact.findings if not finding.passed]
    return finding


def challenge(metrics: dict[str, float], champion: dict[str, float], **policy: Any) -> Spec:
    """Version 2 with these metrics against version 1, which serves production with those."""
    facts: list[Fact] = [registered(1), validated(1), promoted(1, metrics=champion), registered(2, metrics=metrics)]
    return given(validation, facts).when(judge(2, policy=Policy(**policy)))


def test_the_first_version_passes_without_a_champion() -> None:
    fact = verdict(given(validation, [registered(1)]).when(judge()))
    assert isinstance(fact, ModelValidated)
    assert fact.compared_to is None
    assert fact.policy == DEFAULT.digest


def test_a_verdict_names_the_champion_it_compared_with() -> None:
    assert verdict(challenge({"f1": 0.91}, {"f1": 0.9})).compared_to == 1


def test_a_worse_challenger_is_rejected_with_a_sentence_that_has_both_values() -> None:
    sentence = failed(challenge({"f1": 0.8}, {"f1": 0.9})).sentence
    assert sentence == "f1 0.8 is worse than champion 1's 0.9 (higher is better), beyond the tolerance of 1.00%"


@pytest.mark.parametrize(("metric", "value", "passes"), [
    ("f1", 0.892, True), ("f1", 0.890, False), ("val_loss", 0.908, True), ("val_loss", 0.910, False),
])  # fmt: skip
def test_a_metric_may_be_worse_by_the_tolerance_in_the_direction_that_it_has(
    metric: str, value: float, passes: bool
) -> None:
    assert isinstance(verdict(challenge({metric: value}, {metric: 0.9})), ModelValidated) is passes


def test_a_metric_of_the_training_data_is_not_compared() -> None:
    story = challenge({"f1": 0.9, "train_accuracy": 0.5}, {"f1": 0.9, "train_accuracy": 0.99})
    assert isinstance(verdict(story), ModelValidated)


def test_a_challenger_with_nothing_to_compare_is_rejected() -> None:
    assert "nothing can be compared" in failed(challenge({"mystery": 1.0}, {"mystery": 0.9})).sentence


def test_the_policy_can_name_the_direction_of_a_metric() -> None:
    story = challenge({"mystery": 1.0}, {"mystery": 0.9}, directions={"mystery": "higher"})
    assert isinstance(verdict(story), ModelValidated)


def test_a_version_whose_metric_is_not_finite_is_rejected() -> None:
    story = given(validation, [registered(1, metrics={"f1": math.nan, "auc": 0.9})]).when(judge())
    assert failed(story).sentence == "f1 is nan"


def test_a_required_metric_must_be_there_and_within_its_limits() -> None:
    policy = Policy(required={"f1": Limits(least=0.95)})
    story = given(validation, [registered(1)]).when(judge(policy=policy))
    assert failed(story).sentence == "f1 is 0.9, f1 at least 0.95 is required"
    missing = given(validation, [registered(1, metrics={})]).when(judge(policy=policy))
    assert failed(missing).observed == "missing"


def test_a_version_whose_bytes_are_gone_is_rejected() -> None:
    story = given(validation, [registered(1)]).when(judge(problems=("blob aaa is not in the store",)))
    assert failed(story).sentence == "blob aaa is not in the store"


def test_a_version_of_an_unknown_format_is_rejected() -> None:
    story = given(validation, [registered(1, format="unknown")]).when(judge())
    assert failed(story).check == "format known"


@pytest.mark.parametrize("verdict_before", [validated(1), rejected(1)])
def test_judging_a_version_again_changes_nothing(verdict_before: Fact) -> None:
    given(validation, [registered(1), verdict_before]).when(judge()).then_nothing()


def test_a_verdict_on_other_bytes_than_the_log_names_is_none() -> None:
    given(validation, [registered(1, manifest=digest(9))]).when(judge(1)).then_nothing()


def test_a_version_that_the_log_does_not_know_gets_no_verdict() -> None:
    given(validation, [registered(1)]).when(judge(2)).then_nothing()
