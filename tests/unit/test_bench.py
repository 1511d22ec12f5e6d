import pytest

from bench.clock import Curve, Stuck, drawn, percentile, until
from bench.events import History
from bench.loading import appends, told
from bench.row import Row, table


def test_a_rate_below_its_aim_and_a_time_above_it_are_missed() -> None:
    assert Row("append", "facts/s", 4_999, aim=5_000).met is False
    assert Row("append", "facts/s", 5_000, aim=5_000).met is True
    assert Row("lag", "ms", 26, aim=25).met is False
    assert Row("lag", "ms", 25, aim=25).met is True
    assert Row("memory", "MB", 80).met is None


def test_the_table_tells_ours_beside_the_floor() -> None:
    told = table([Row("append", "facts/s", 4_000, 8_000, aim=5_000, note="of 16 callers"), Row("lag", "ms", 12.5, 2.5)])
    assert told.splitlines()[2:] == [
        "append  8,000 facts/s  4,000 facts/s    50%  ≥ 5,000 facts/s  MISSED",
        "    of 16 callers",
        "lag           2.50 ms        12.5 ms  5.0 ×",
    ]


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile(range(1, 101), 0.99) == 100
    assert percentile([3, 1, 2], 0.5) == 2


def test_a_curve_tells_its_speed_and_when_a_position_was_reached() -> None:
    curve = Curve([(1.0, 10), (2.0, 30), (3.0, 50)])
    assert curve.speed == 20
    assert curve.reached(11) == 2.0
    assert curve.reached(30) == 2.0


async def test_what_stands_still_is_told_and_not_waited_for() -> None:
    async def standing() -> int:
        return 3

    with pytest.raises(Stuck, match="standing at 3"):
        await drawn(standing, 4, every=0, patience=0.01)
    with pytest.raises(Stuck, match="found 3"):
        await until(lambda: 3, 4, patience=0.01)


def test_a_history_is_as_long_as_asked_and_the_same_every_time() -> None:
    assert len(History("fraud").grow(50)) == 50
    assert History("fraud").grow(50) == History("fraud").grow(50)


def test_histories_under_other_names_are_appended_in_order() -> None:
    models = [f"model-{n}" for n in range(5)]
    facts = list(told(models, 4, templates=2))
    assert [(model, version) for model, version, _, _ in facts] == [(m, v) for v in range(1, 5) for m in models]
    assert all(f'"model":"{model}"' in data and "template" not in data for model, _, _, data in facts)
    assert [one.expected for one in appends(models, 2)] == [0] * 5 + [1] * 5
