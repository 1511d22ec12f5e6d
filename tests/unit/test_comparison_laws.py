"""Laws of the tolerance, for any values."""

import math
from fractions import Fraction

from hypothesis import example, given, settings
from hypothesis import strategies as st
from modelog.policy import Policy

from shared.domain.comparison import Champion, compare

finite = st.floats(allow_nan=False, allow_infinity=False)
shares = st.floats(min_value=0, allow_nan=False, allow_infinity=False)
wholes = st.integers(-(10**9), 10**9)
some = settings(max_examples=50)


def passes(value: float, theirs: float, tolerance: float = 0.01, name: str = "f1") -> bool:
    return compare(Policy(tolerance=tolerance), {name: value}, Champion(1, {name: theirs})).passed


@some
@given(wholes, wholes, st.integers(0, 10**6), st.integers(0, 12), st.integers(0, 6))
@example(891, 900, 10, 3, 3)
@example(8909, 9000, 10, 4, 3)
def test_decimals_are_compared_as_whole_numbers_are(value: int, theirs: int, share: int, places: int, of: int) -> None:
    worse = (theirs - value) * 10**of > share * abs(theirs)
    assert passes(float(f"{value}e-{places}"), float(f"{theirs}e-{places}"), float(f"{share}e-{of}")) is not worse


@some
@given(finite, shares)
@example(5e-324, 0.0)
@example(2.0**53 + 2, 0.0)
def test_equal_values_pass(value: float, tolerance: float) -> None:
    assert passes(value, value, tolerance)
    assert passes(value, value, tolerance, "mae")


@some
@given(finite, finite)
@example(-0.0, 0.0)
@example(math.nextafter(1.0, 0), 1.0)
@example(1.7e308, -1.7e308)
def test_without_tolerance_a_value_passes_that_is_not_worse_at_all(value: float, theirs: float) -> None:
    assert passes(value, theirs, 0) is (value >= theirs)
    assert passes(value, theirs, 0, "mae") is (value <= theirs)


@some
@given(finite, finite, finite, shares)
def test_a_better_value_passes_where_a_worse_value_does(a: float, b: float, theirs: float, tolerance: float) -> None:
    worse, better = sorted((a, b))
    assert passes(better, theirs, tolerance) >= passes(worse, theirs, tolerance)
    assert passes(worse, theirs, tolerance, "mae") >= passes(better, theirs, tolerance, "mae")


@some
@given(finite, finite, shares, shares)
def test_what_passes_with_a_tolerance_passes_with_a_larger(value: float, theirs: float, a: float, b: float) -> None:
    small, large = sorted((a, b))
    assert passes(value, theirs, large) >= passes(value, theirs, small)


@some
@given(finite, finite, shares)
def test_lower_is_better_is_higher_is_better_of_the_negative_values(
    value: float, theirs: float, tolerance: float
) -> None:
    assert passes(value, theirs, tolerance, "mae") is passes(-value, -theirs, tolerance)


@some
@given(wholes, wholes, shares, st.integers(-250, 250))
def test_the_unit_of_a_metric_does_not_matter(value: int, theirs: int, tolerance: float, power: int) -> None:
    scaled = passes(float(f"{value}e{power}"), float(f"{theirs}e{power}"), tolerance)
    assert scaled is passes(value, theirs, tolerance)


@some
@given(finite, st.sampled_from((math.nan, math.inf, -math.inf)), shares)
def test_what_is_not_finite_is_worse_and_nothing_is_worse_than_it(value: float, other: float, share: float) -> None:
    assert not passes(other, value, share)
    assert not passes(other, other, share)
    assert passes(value, other, share)


@some
@given(finite, shares)
def test_nothing_may_be_lost_of_a_value_of_zero(value: float, tolerance: float) -> None:
    assert passes(value, 0.0, tolerance) is (value >= 0)


@some
@given(st.integers(2**53, 2**60), st.integers(0, 2**60), shares)
def test_whole_numbers_that_no_float_can_hold_are_compared_exactly(value: int, less: int, tolerance: float) -> None:
    allowed = Fraction(less) <= Fraction(str(tolerance)) * value
    assert passes(value - less, value, tolerance) is allowed
