from dataclasses import dataclass

from immutables import Map

from shared.deciding.history import BASE_BYTES, MAP_ENTRY_BYTES, Histories, History
from shared.domain.paged_map import RECENT_ENTRY_BYTES, PagedMap


@dataclass(frozen=True)
class State:
    number: int = 0
    serving: Map[str, int] = Map()
    versions: PagedMap[int, int] = PagedMap(int, int)


def history(stages: int = 0, version: int = 1) -> History[State]:
    serving = Map({f"stage-{n}": n for n in range(stages)})
    return History(State(serving=serving), version)


SMALL = history().nbytes


def test_a_history_takes_the_bytes_of_every_collection_of_its_state() -> None:
    assert SMALL == BASE_BYTES
    assert history(3).nbytes == BASE_BYTES + 3 * MAP_ENTRY_BYTES
    versions = PagedMap(int, int).set(1, 1)
    assert History(State(versions=versions), 1).nbytes == BASE_BYTES + RECENT_ENTRY_BYTES


def test_what_was_kept_is_found_and_nothing_else() -> None:
    histories = Histories[State]()
    histories.keep("fraud", history())
    assert histories.get("fraud") == history()
    assert histories.get("churn") is None


def test_histories_are_kept_up_to_exactly_the_bytes_that_they_may_take() -> None:
    histories = Histories[State](3 * SMALL)
    for stream in "abc":
        histories.keep(stream, history())
    assert len(histories) == 3
    histories.keep("d", history())
    assert [histories.get(stream) is not None for stream in "abcd"] == [False, True, True, True]


def test_what_was_kept_last_is_dropped_last() -> None:
    histories = Histories[State](3 * SMALL)
    for stream in "abcad":
        histories.keep(stream, history())
    assert [histories.get(stream) is not None for stream in "abcd"] == [True, False, True, True]


def test_a_history_that_is_kept_again_counts_once_with_its_new_bytes() -> None:
    histories = Histories[State](3 * SMALL)
    for version in range(100):
        histories.keep("a", history(version=version))
    histories.keep("b", history())
    histories.keep("c", history())
    assert len(histories) == 3
    histories.keep("c", history(stages=2))
    assert [histories.get(stream) is not None for stream in "abc"] == [False, True, True], "c takes twice as much now"
    for stream in "abc":
        histories.keep(stream, history())
    assert len(histories) == 3, "what was dropped counts no more"
