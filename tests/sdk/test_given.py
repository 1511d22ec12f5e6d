"""Values as trainers have them become plain values that come back as they are, or are refused with their place."""

from __future__ import annotations

import logging
from collections import deque
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from modelog.events import DriftDetected, PromotionRequested
from modelog.values import Dataset, Window
from pydantic import ValidationError

from tests.sdk.envelopes import trained

ID = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")


class Kernel(Enum):
    RBF = "rbf"


class Scalar:
    """What torch and jax have: a number without dimensions."""

    ndim = 0

    def __init__(self, value: object) -> None:
        self.value = value

    def item(self) -> object:
        return self.value


def same(found: Any, expected: Any) -> bool:
    """Whether both are equal and of the same types."""
    if isinstance(expected, dict):
        return found == expected and all(same(found[name], expected[name]) for name in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return type(found) is type(expected) and bool(found == expected)


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ((100, 50), [100, 50]),
        (range(2), [0, 1]),
        (deque([1]), [1]),
        (Path("train.csv"), "train.csv"),
        (Kernel.RBF, "rbf"),
        (Scalar(1.5), 1.5),
        (Scalar(True), True),
        (Decimal("0.1"), 0.1),
        (Fraction(1, 2), 0.5),
        (date(2026, 1, 5), "2026-01-05"),
        (ID, str(ID)),
        (2**63, 2**63),
        (2**53 + 1, 2**53 + 1),
        (10**4000, 10**4000),
        (1e16, 1e16),
        (1.0, 1.0),
        (5e-324, 5e-324),
        ({"b": [1, 1.0, True, None, {"a": ("x",)}]}, {"b": [1, 1.0, True, None, {"a": ["x"]}]}),
    ],
)
def test_a_parameter_is_a_plain_value(given: Any, plain: Any) -> None:
    assert same(trained(parameters={"p": given}).parameters["p"], plain)
    assert same(trained(parameters={"p": [given]}).parameters["p"], [plain])


def test_so_are_the_values_of_numpy() -> None:
    np = pytest.importorskip("numpy")
    for given, plain in [
        (np.int64(3), 3),
        (np.uint8(3), 3),
        (np.float32(0.1), 0.10000000149011612),
        (np.float64(0.1), 0.1),
        (np.bool_(True), True),
        (np.str_("rbf"), "rbf"),
        (np.array(3), 3),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    ]:
        assert same(trained(parameters={"p": {np.str_("q"): given}}).parameters["p"], {"q": plain})
    run = trained(metrics={"auc": np.float32(0.5), "f1": np.array(0.5)}, tags={"epoch": np.int64(3)})
    assert (run.metrics, run.tags) == ({"auc": 0.5, "f1": 0.5}, {"epoch": "3"})
    assert PromotionRequested(model="fraud", version=np.int64(7), by="ci").version == 7
    drift = DriftDetected(
        model="a", version=1, detector="ks", score=np.float32(0.5), threshold=0, drifted=np.bool_(True)
    )
    assert (drift.score, drift.drifted) == (0.5, True)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (float("nan"), "found nan: leave it out"),
        (float("-inf"), "found -inf: leave it out"),
        (-0.0, "found -0.0"),
        pytest.param(10**5000, "at most 4,200 digits", id="digits"),
        (Fraction(1, 3), "found 1/3: send a float"),
        (Decimal("0.1234567890123456789"), "send a float or a text"),
        ({1: 2}, "expected text as a name, found 1"),
        ({3, 1}, "found the type set: send a sorted list"),
        (b"x", "found the type bytes"),
        (object(), "found the type object"),
        ("a\0b", "NUL"),
        ("\ud800", "lone surrogate"),
        ({"\ud800": 1}, "lone surrogate"),
    ],
)
def test_a_parameter_that_would_not_come_back_is_refused_with_its_place(given: Any, sentence: str) -> None:
    with pytest.raises(ValidationError) as raised:
        trained(parameters={"layers": [{"p": given}]})
    assert "\nparameters.layers.0.p" in str(raised.value).encode("utf-8", "replace").decode()
    assert sentence in str(raised.value)


def test_a_parameter_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValidationError, match="flatten them"):
        trained(parameters={"p": endless})


@pytest.mark.parametrize("wrong", ["age", {"age", "amount"}, {"age": 1}, 7])
def test_features_are_a_list(wrong: Any) -> None:
    """The letters of a text would be features too, and a set has another order each time."""
    with pytest.raises(ValidationError, match="features"):
        trained(features=wrong)
    assert trained(features=["age", "amount"]).features == ("age", "amount")


def test_a_number_is_text_where_text_is_expected() -> None:
    run = trained(run=7, tags={"epoch": 3, "lr": 0.1}, datasets=[Dataset(name="tx", version=3)])  # type: ignore[arg-type]
    assert (run.run, run.tags, run.datasets[0].version) == ("7", {"epoch": "3", "lr": "0.1"}, "3")


def test_a_metric_without_a_value_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "modelog"):
        assert trained(metrics={"auc": 0.9, "recall": None}).metrics == {"auc": 0.9}
    assert caplog.messages == ["metrics without a value are left out: recall"]


def test_a_time_without_its_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="give it a time zone"):
        trained(trained_at=datetime(2026, 1, 5))
    with pytest.raises(ValidationError, match=r"start\n.*give it a time zone"):
        Window(start=datetime(2026, 1, 5), end=datetime(2026, 1, 6, tzinfo=timezone.utc))


def test_a_time_of_another_library_is_a_time() -> None:
    class Timestamp(datetime):
        """What pandas has."""

    zone = timezone(timedelta(hours=2))
    found = trained(trained_at=Timestamp(2026, 1, 5, 9, 30, 0, 25, tzinfo=zone)).trained_at
    assert (type(found), found) == (datetime, datetime(2026, 1, 5, 9, 30, 0, 25, tzinfo=zone))
