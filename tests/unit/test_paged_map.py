import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import paged_map
from shared.domain.paged_map import INTS_IN_BLOCK, MIN_RECENT, RECENT_ENTRY_BYTES, SEALED_BYTES, PagedMap, _entries


def numbered(count: int) -> PagedMap[int, int]:
    entries = PagedMap(int, int)
    for number in range(count):
        entries = entries.set(number, number)
    return entries


@given(st.data(), st.sampled_from([int, str]), st.sets(st.integers(0, 300)), st.sampled_from([1, 100, SEALED_BYTES]))
def test_a_map_has_what_a_dictionary_has_however_often_they_are_sealed(
    data: Any, key: Any, seals: set[int], at_once: int
) -> None:
    keys = st.integers(0, 500) if key is int else st.text(max_size=2)
    entries, plain = PagedMap(key, int), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paged_map, "SEALED_BYTES", at_once)
        for n, (name, value) in enumerate(data.draw(st.lists(st.tuples(keys, st.integers()), max_size=300))):
            entries = entries.set(name, value)
            plain[name] = value
            if n in seals:
                entries = entries.sealed()
    assert dict(entries.items()) == plain
    assert len(entries) == len(plain)
    assert [entries.get(name) for name in plain] == list(plain.values())
    assert [entries[name] for name in plain] == list(plain.values())
    assert all(name in entries for name in plain)


def test_what_is_stored_is_read_as_it_was() -> None:
    entries = numbered(1_000).sealed()
    stored = {number: block.raw for number, block in entries.blocks.items()}
    assert PagedMap(int, int).opened(stored, len(entries)) == entries


def test_an_older_map_does_not_see_what_came_later() -> None:
    old = PagedMap(int, str).set(1, "a").sealed()
    new = old.set(1, "b").set(2, "c")
    assert dict(old.items()) == {1: "a"}
    assert dict(new.items()) == {1: "b", 2: "c"}
    assert 2 not in old


def test_few_entries_stay_uncompressed() -> None:
    assert max(len(numbered(count).recent) for count in (10, 100, 500)) < 32
    assert len(numbered(5_000).recent) < 5_000 // 16


def test_a_seal_writes_only_the_blocks_with_new_entries() -> None:
    before = numbered(1_000).sealed()
    after = before.set(1_000, 0).sealed()
    assert [number for number in after.blocks if after.blocks[number] is not before.blocks.get(number)] == [15]


def test_a_set_leaves_blocks_to_the_next_where_they_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paged_map, "SEALED_BYTES", 1)
    entries, most = PagedMap(int, int), 0
    for number in range(0, 64 * 2_000, 64):
        before, entries = entries, entries.set(number, number)
        written = [n for n, block in entries.blocks.items() if block is not before.blocks.get(n)]
        most = max(most, len(written))
    assert most == 1
    assert len(entries.recent) < 2 * 2_000 // 16
    assert len(entries.sealed().recent) == 0


def test_only_the_block_that_is_asked_is_read() -> None:
    entries = numbered(1_000).sealed()
    _entries.cache_clear()
    assert entries[300] == 300
    assert _entries.cache_info().currsize == 1


def test_a_key_is_found_among_the_recent_entries_and_in_a_block_and_nowhere_else() -> None:
    entries = numbered(10).sealed().set(10, 10)
    assert [key in entries for key in (0, 9, 10, 11, 100)] == [True, True, True, False, False]
    assert [entries.get(key) for key in (0, 9, 10, 11, 100)] == [0, 9, 10, None, None]
    assert 0 not in PagedMap(int, int)


def test_entries_are_compressed_once_they_are_32_or_a_sixteenth_of_all() -> None:
    assert [len(numbered(count).recent) for count in (MIN_RECENT - 1, MIN_RECENT, MIN_RECENT + 1)] == [31, 0, 1]
    large = numbered(1_600).sealed()
    for key in range(105):
        large = large.set(1_600 + key, 0)
    assert len(large.recent) == 105
    assert len(large.set(1_705, 0).recent) == 0, "106 is a sixteenth of 1,706"


def test_a_value_that_is_set_again_is_counted_once() -> None:
    entries = PagedMap(int, str).set(1, "a").set(1, "b").sealed().set(1, "c")
    assert (len(entries), dict(entries.items())) == (1, {1: "c"})
    assert dict(entries.sealed().items()) == {1: "c"}


def test_the_bytes_are_those_of_the_blocks_and_an_estimate_of_what_is_recent() -> None:
    entries = numbered(1_000).sealed().set(3, 7).sealed()
    compressed = sum(len(block.raw) for block in entries.blocks.values())
    assert entries.nbytes == compressed
    assert entries.set(1_000, 0).nbytes == compressed + RECENT_ENTRY_BYTES
    stored = {number: block.raw for number, block in entries.blocks.items()}
    assert PagedMap(int, int).opened(stored, 1_000).nbytes == compressed


def test_an_opened_map_has_as_many_entries_as_it_had() -> None:
    entries = numbered(100).sealed()
    opened = PagedMap(int, int).opened({number: block.raw for number, block in entries.blocks.items()}, len(entries))
    assert len(opened) == 100
    assert len(opened.set(100, 0)) == 101


def test_values_that_are_no_finite_numbers_are_stored_too() -> None:
    entries = PagedMap(str, float).set("a", math.inf).set("b", math.nan).sealed()
    assert entries["a"] == math.inf
    assert math.isnan(entries["b"])


def test_neighbouring_numbers_and_equal_texts_are_in_the_same_block() -> None:
    assert list(numbered(INTS_IN_BLOCK).sealed().blocks) == [0]
    assert list(numbered(INTS_IN_BLOCK + 1).sealed().blocks) == [0, 1]
    texts = PagedMap(str, int)
    for n in range(1_000):
        texts = texts.set(f"run-{n}", n)
    assert sorted(texts.sealed().blocks) == list(range(64))


def test_maps_are_equal_by_their_entries_and_equal_maps_have_one_hash() -> None:
    assert numbered(100) == numbered(100).sealed()
    assert hash(numbered(100)) == hash(numbered(100).sealed())
    assert len({hash(numbered(n)) for n in range(10)}) > 1
    assert numbered(1) != numbered(2)
    assert numbered(1) != {0: 0}
