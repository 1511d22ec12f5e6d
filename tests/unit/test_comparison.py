import math

import pytest
from modelog.metric_names import Direction
from modelog.policy import Policy
from modelog.values import Finding

from shared.domain.comparison import Champion, compare

EXACT = Policy(tolerance=0.25)


def compared(metrics: dict[str, float], champion: dict[str, float], policy: Policy = EXACT) -> Finding:
    """Against version 3 of the champion's stage."""
    return compare(policy, metrics, Champion(3, champion))


def test_the_first_version_has_no_champion_to_compare_with() -> None:
    finding = compare(EXACT, {"f1": 0.9}, None)
    assert (finding.check, finding.passed, finding.observed) == ("not worse than the champion", True, "no champion")
    assert finding.required == "at most 25.00% worse than the champion"


def test_a_challenger_without_a_common_metric_fails_and_the_finding_names_the_metrics_of_both() -> None:
    finding = compared({"b": 1.0, "a": 2.0}, {"d": 1.0, "c": 2.0})
    assert not finding.passed
    assert finding.observed == "a, b"
    assert finding.sentence.endswith("champion 3, whose metrics are: c, d")


def test_versions_without_metrics_cannot_be_compared() -> None:
    finding = compared({}, {})
    assert (finding.passed, finding.observed) == (False, "no metrics")
    assert finding.sentence.endswith("metrics are: none")


def test_exactly_the_tolerance_worse_is_not_worse() -> None:
    assert compared({"f1": 0.75}, {"f1": 1.0}).passed
    assert not compared({"f1": math.nextafter(0.75, 0)}, {"f1": 1.0}).passed


@pytest.mark.parametrize(("value", "passes"), [(0.891, True), (0.8909, False), (0.8910000000000001, True)])
def test_the_tolerance_is_exact_for_values_that_are_written_in_decimal(value: float, passes: bool) -> None:
    assert compared({"f1": value}, {"f1": 0.9}, Policy(tolerance=0.01)).passed is passes


def test_the_tolerance_is_a_share_of_the_absolute_value() -> None:
    assert compared({"r2": -1.25}, {"r2": -1.0}).passed
    assert not compared({"r2": -1.26}, {"r2": -1.0}).passed


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_not_finite_is_worse_than_any_champion(value: float) -> None:
    assert not compared({"f1": value}, {"f1": 0.5}).passed
    assert not compared({"f1": value}, {"f1": math.nan}).passed


@pytest.mark.parametrize("theirs", [math.nan, math.inf, -math.inf])
def test_a_finite_metric_is_not_worse_than_a_champions_that_is_not(theirs: float) -> None:
    assert compared({"f1": 0.5}, {"f1": theirs}).passed


@pytest.mark.parametrize(("name", "value", "verdict"), [
    ("f1", 0.9, "better than"), ("f1", 0.8, "equal to"), ("f1", 0.7, "worse than"),
    ("mae", 0.7, "better than"), ("mae", 0.8, "equal to"), ("mae", 0.9, "worse than"),
])  # fmt: skip
def test_the_sentence_compares_each_metric(name: str, value: float, verdict: str) -> None:
    finding = compared({name: value}, {name: 0.8})
    direction = "higher" if name == "f1" else "lower"
    assert finding.sentence == f"{name} {value:g} is {verdict} champion 3's 0.8 ({direction} is better)"


def test_values_that_differ_are_shown_differently() -> None:
    finding = compared({"f1": 0.9000001}, {"f1": 0.9000002}, Policy(tolerance=0))
    assert finding.sentence.startswith("f1 0.9000001 is worse than champion 3's 0.9000002 (")
    finding = compared({"f1": 0.1234567}, {"f1": 0.1234567})
    assert finding.sentence.startswith("f1 0.123457 is equal to champion 3's 0.123457 (")


@pytest.mark.parametrize(("name", "directions", "matched"), [
    ("val_auc", {}, "as auc, higher is better"),
    ("neg_log_loss", {}, "as negated log_loss, higher is better"),
    ("val_uplift", {"Uplift": "lower"}, "as Uplift, lower is better"),
    ("val_auc", {"val_auc": "lower"}, "lower is better"),
])  # fmt: skip
def test_the_sentence_names_the_metric_whose_direction_was_used(
    name: str, directions: dict[str, Direction | None], matched: str
) -> None:
    finding = compared({name: 1.0}, {name: 1.0}, Policy(directions=directions))
    assert finding.sentence == f"{name} 1 is equal to champion 3's 1 ({matched})"


def test_a_metric_is_compared_under_the_same_name_alone() -> None:
    assert not compared({"val_auc": 0.9}, {"test_auc": 0.9, "auc": 0.9}).passed


def test_a_metric_that_a_policy_never_compares_is_in_no_sentence() -> None:
    policy = Policy(directions={"latency": None})
    finding = compared({"latency": 9.0, "f1": 0.9}, {"latency": 1.0, "f1": 0.9}, policy)
    assert (finding.passed, finding.observed) == (True, "f1 0.9")


def test_a_challenger_that_passes_has_a_sentence_for_every_common_metric() -> None:
    finding = compared({"f1": 1.0, "mae": 1.0, "other": 1.0}, {"mae": 1.0, "f1": 1.0, "other": 1.0})
    assert finding.observed == "f1 1, mae 1"
    assert [part.partition(" ")[0] for part in finding.sentence.split("; ")] == ["f1", "mae"]


def test_a_challenger_that_fails_has_a_sentence_for_each_metric_that_is_worse() -> None:
    finding = compared({"f1": 0.1, "mae": 1.0, "auc": 0.1}, {"f1": 1.0, "mae": 1.0, "auc": 1.0})
    assert [part.partition(" ")[0] for part in finding.sentence.split("; ")] == ["auc", "f1"]
    assert finding.sentence.endswith(", beyond the tolerance of 25.00%")
