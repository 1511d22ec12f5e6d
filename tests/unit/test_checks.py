import math

import pytest
from modelog.policy import DEFAULT, Limits, Policy

from services.validation.checks import bytes_as_promised, check_all, format_known, metric_within, metrics_finite
from shared.domain.looking import BytesSeen
from tests.looking import missing


def test_every_check_has_its_name_and_the_required_metrics_follow_by_name() -> None:
    policy = Policy(required={"recall": Limits(), "auc": Limits()})
    findings = check_all(policy, {"auc": 0.9}, "pickle", BytesSeen(""), None)
    assert [finding.check for finding in findings] == [
        "bytes as promised",
        "format known",
        "metrics finite",
        "auc as required",
        "recall as required",
        "not worse than the champion",
    ]
    assert [finding.passed for finding in findings] == [True, True, True, True, False, True]


def test_the_bytes_are_as_promised_where_there_is_no_problem() -> None:
    finding = bytes_as_promised(BytesSeen("", looked_at=3, blobs=3))
    assert (finding.passed, finding.observed) == (True, "all there")
    assert finding.sentence == "the manifest and every blob of it are in the store"


def test_a_finding_says_how_many_of_many_blobs_were_looked_at() -> None:
    finding = bytes_as_promised(BytesSeen("", looked_at=1000, blobs=1500))
    assert (finding.passed, finding.observed) == (True, "all of 1000 of 1500 blobs there")
    assert finding.sentence == "the manifest and 1000 of 1500 blobs of it are in the store"


def test_problems_with_the_bytes_are_counted_and_joined() -> None:
    finding = bytes_as_promised(BytesSeen("", missing("a is gone", "b is gone"), 3, 3))
    assert (finding.passed, finding.observed, finding.sentence) == (False, "2 problems", "a is gone; b is gone")


def test_a_known_format_is_named() -> None:
    finding = format_known("onnx")
    assert (finding.passed, finding.observed, finding.sentence) == (True, "onnx", "the bytes are onnx")


def test_an_unknown_format_fails_with_a_sentence() -> None:
    finding = format_known("unknown")
    assert (finding.passed, finding.observed) == (False, "unknown")
    assert "unknown" not in finding.sentence


def test_metrics_that_are_not_finite_are_counted_and_named() -> None:
    finding = metrics_finite({"f1": math.nan, "auc": 0.9, "mae": math.inf})
    assert (finding.passed, finding.observed, finding.sentence) == (False, "2 of 3 not finite", "f1 is nan, mae is inf")


def test_finite_metrics_pass_with_a_sentence() -> None:
    finding = metrics_finite({"f1": 0.9})
    assert (finding.passed, finding.observed) == (True, "0 of 1 not finite")
    assert finding.sentence


@pytest.mark.parametrize(("limits", "values"), [
    (Limits(least=0.5), {0.49: False, 0.5: True, 9.0: True}),
    (Limits(most=0.5), {-9.0: True, 0.5: True, 0.51: False}),
    (Limits(least=0.5, most=0.7), {0.49: False, 0.5: True, 0.7: True, 0.71: False}),
    (Limits(), {-9.0: True, 9.0: True}),
])  # fmt: skip
def test_a_required_metric_may_be_exactly_at_its_limits(limits: Limits, values: dict[float, bool]) -> None:
    assert {value: metric_within("f1", limits, {"f1": value}).passed for value in values} == values


@pytest.mark.parametrize(("limits", "required"), [
    (Limits(), "f1 present"),
    (Limits(least=0.5), "f1 at least 0.5"),
    (Limits(most=0.7), "f1 at most 0.7"),
    (Limits(least=0.5, most=0.7), "f1 at least 0.5 and at most 0.7"),
])  # fmt: skip
def test_a_finding_names_what_the_policy_requires_of_a_metric(limits: Limits, required: str) -> None:
    finding = metric_within("f1", limits, {"auc": 0.6})
    assert (finding.passed, finding.required, finding.observed) == (False, required, "missing")
    assert finding.sentence == f"f1 is missing, {required} is required"


def test_a_required_metric_is_named_with_its_value() -> None:
    finding = metric_within("f1", Limits(least=0.5), {"f1": 0.1234567, "val_f1": 0.9})
    assert (finding.check, finding.passed, finding.observed) == ("f1 as required", False, "0.123457")
    assert finding.sentence == "f1 is 0.1234567, f1 at least 0.5 is required"
    assert metric_within("f1", Limits(), {"f1": 0.1234567}).sentence == "f1 is 0.123457, f1 present is required"


def test_a_finding_names_the_metric_that_counts_as_the_required_metric() -> None:
    finding = metric_within("auc", Limits(least=0.8), {"val_auc": 0.9, "train_auc": 0.7})
    assert (finding.check, finding.passed, finding.observed) == ("auc as required", True, "val_auc 0.9")
    assert finding.sentence == "val_auc (for auc) is 0.9, auc at least 0.8 is required"


def test_every_metric_that_counts_as_the_required_metric_is_within_its_limits() -> None:
    finding = metric_within("auc", Limits(least=0.8), {"val_auc": 0.9, "test_auc": 0.7, "cv_auc": 0.75})
    assert (finding.passed, finding.observed) == (False, "cv_auc 0.75, test_auc 0.7, val_auc 0.9")
    assert finding.sentence == ("cv_auc (for auc) is 0.75, test_auc (for auc) is 0.7, auc at least 0.8 is required")
    assert metric_within("auc", Limits(least=0.7), {"val_auc": 0.9, "test_auc": 0.7, "cv_auc": 0.75}).passed


@pytest.mark.parametrize("limits", [Limits(least=0.5), Limits(most=0.5)])
def test_a_metric_that_is_not_a_number_is_within_no_limits(limits: Limits) -> None:
    assert not metric_within("f1", limits, {"f1": math.nan}).passed


def test_the_default_policy_requires_no_metric() -> None:
    assert all(finding.passed for finding in check_all(DEFAULT, {}, "pickle", BytesSeen(""), None))
