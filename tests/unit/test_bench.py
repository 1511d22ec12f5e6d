import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.clock import Curve, Stuck, drawn, percentile, slope
from bench.events import history
from bench.hops import HOPS, Took
from bench.loading import appends, rows
from bench.picture import draw
from bench.row import Row, keep, table


def test_a_rate_below_its_aim_and_a_time_above_it_are_missed() -> None:
    assert Row("append", "facts/s", 4_999, aim=5_000).met is False
    assert Row("append", "facts/s", 5_000, aim=5_000).met is True
    assert Row("lag", "ms", 26, aim=25).met is False
    assert Row("lag", "ms", 25, aim=25).met is True
    assert Row("memory", "MB", 80).met is None


def test_a_share_of_the_floor_is_enough_too() -> None:
    assert Row("reports", "reports/s", 4_000, 8_000, aim=5_000, or_floor=0.5).met is True
    assert Row("reports", "reports/s", 3_999, 8_000, aim=5_000, or_floor=0.5).met is False


def test_the_peer_has_to_be_beaten_as_well() -> None:
    assert Row("append", "facts/s", 15_000, aim=15_000, peer=1_500, and_peer=10).met is True
    assert Row("append", "facts/s", 15_000, aim=15_000, peer=1_501, and_peer=10).met is False
    assert Row("append", "facts/s", 14_999, aim=15_000, peer=1, and_peer=10).met is False


def test_the_table_shows_ours_beside_the_floor_and_the_peer() -> None:
    append = Row("append", "facts/s", 4_000, 8_000, 5_000, peer=900, or_floor=0.7, and_peer=5, note="of 16 callers")
    assert table([append, Row("lag", "ms", 12.5, 2.5)]).splitlines()[2:] == [
        "append  8,000   900  4,000 facts/s    50%  ≥ 5,000 or 70% of floor and 5 × peer  MISSED",
        "    of 16 callers",
        "lag      2.50              12.5 ms  5.0 ×",
    ]


def test_a_column_without_numbers_is_left_out() -> None:
    assert table([Row("parked", "records", 0, aim=0)]).splitlines() == [
        "path         ours  aim",
        "---------------------------",
        "parked  0 records  ≤ 0  met",
    ]


def test_the_file_has_the_aim_and_whether_it_was_met(tmp_path: Path) -> None:
    keep(tmp_path / "bench.json", [Row("lag", "ms", 9, 3, 10, peer=30)], others=0.1)
    kept = json.loads((tmp_path / "bench.json").read_text())
    assert kept["others"] == 0.1
    assert kept["rows"] == [Row("lag", "ms", 9, 3, 10, peer=30).json()]
    assert (kept["rows"][0]["peer"], kept["rows"][0]["ratio"], kept["rows"][0]["met"]) == (30, 3, True)


def test_the_picture_shows_every_path_with_an_aim_and_every_latency(tmp_path: Path) -> None:
    rows = [
        Row("append", "facts/s", 15_000, 20_000, 15_000, peer=1_000),
        Row("rebuild, one view", "facts/s", 90_000),
        Row("views' lag, p50", "ms", 3, 1),
        Row("views' lag, p99", "ms", 9, 2, 10),
    ]
    keep(tmp_path / "bench.json", rows)
    draw(tmp_path / "bench.json", tmp_path / "bench.svg")
    texts = [
        element.text for element in ElementTree.parse(tmp_path / "bench.svg").iter("{http://www.w3.org/2000/svg}text")
    ]
    assert {"append", "15,000 facts/s", "views' lag", "3.0 / 9.0 ms"} <= set(texts)
    assert "rebuild, one view" not in texts


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile(range(1, 101), 0.99) == 100
    assert percentile([3, 1, 2], 0.5) == 2


def test_a_curve_has_a_speed_and_the_time_at_which_a_position_was_reached() -> None:
    curve = Curve([(1.0, 10), (2.0, 30), (3.0, 50)])
    assert curve.speed == 20
    assert curve.reached(11) == 2.0
    assert curve.reached(30) == 2.0


def test_a_curve_has_a_slowest_stretch() -> None:
    curve = Curve([(0.0, 0), (1.0, 10), (2.0, 15), (3.0, 40)])
    assert curve.slowest(1) == 5
    assert curve.slowest(2) == 7.5
    assert curve.slowest(60) == curve.speed


def test_the_slowest_hop_is_named_with_the_events_around_it() -> None:
    took = Took([], {f"{n} {hop}": 3.0 + (n == 4) for n, hop in enumerate(HOPS)})
    assert took.slowest == ("hop 5 of 7, on Kafka → promoted, by promotion", 4.0)


def test_growth_is_computed_by_least_squares() -> None:
    assert slope([(0, 1), (1, 3), (2, 5)]) == pytest.approx(2)
    assert slope([(0, 1)]) == 0


async def test_a_number_that_does_not_grow_is_an_error() -> None:
    async def number() -> int:
        return 3

    with pytest.raises(Stuck, match="expected 4, found 3"):
        await drawn(number, 4, every=0, stuck_seconds=0.01)


def test_a_history_is_as_long_as_asked_and_the_same_every_time() -> None:
    assert len(history("fraud").grow(50)) == 50
    assert history("fraud").grow(50) == history("fraud").grow(50)


def test_histories_under_other_names_are_appended_in_order() -> None:
    models = [f"model-{n}" for n in range(5)]
    facts = list(rows(models, 4, templates=2))
    assert [(model, version) for model, version, _, _ in facts] == [(m, v) for v in range(1, 5) for m in models]
    assert all(f'"model":"{model}"' in data and "template" not in data for model, _, _, data in facts)
    assert [append.expected for append in appends(models, 2)] == [0] * 5 + [1] * 5
