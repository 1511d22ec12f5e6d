from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.deciding.id_set import IdSet
from shared.domain.paged_map import PagedMap, _entries


def numbered(count: int) -> PagedMap[int, int]:
    pages = PagedMap(int, int)
    for number in range(count):
        pages = pages.set(number, number)
    return pages


@given(st.data(), st.sampled_from([int, str]), st.sets(st.integers(0, 300)))
def test_pages_hold_what_a_dictionary_holds_however_often_they_are_sealed(data: Any, key: Any, seals: set[int]) -> None:
    keys = st.integers(0, 500) if key is int else st.text(max_size=2)
    pages, plain = PagedMap(key, int), {}
    for n, (name, value) in enumerate(data.draw(st.lists(st.tuples(keys, st.integers()), max_size=300))):
        pages = pages.set(name, value)
        plain[name] = value
        if n in seals:
            pages = pages.sealed()
    assert dict(pages.items()) == plain
    assert len(pages) == len(plain)
    assert [pages.get(name) for name in plain] == list(plain.values())


def test_what_is_stored_is_read_as_it_was() -> None:
    pages = numbered(1_000).sealed()
    stored = {number: page.raw for number, page in pages.blocks.items()}
    assert PagedMap(int, int).opened(stored, len(pages)) == pages


def test_an_older_one_does_not_see_what_came_later() -> None:
    old = PagedMap(int, str).set(1, "a").sealed()
    new = old.set(1, "b").set(2, "c")
    assert dict(old.items()) == {1: "a"}
    assert dict(new.items()) == {1: "b", 2: "c"}
    assert 2 not in old


def test_few_entries_lie_about_as_objects() -> None:
    assert max(len(numbered(count).recent) for count in (10, 100, 500)) < 32
    assert len(numbered(5_000).recent) < 5_000 // 16


def test_a_seal_writes_only_the_pages_that_something_came_to() -> None:
    before = numbered(1_000).sealed()
    after = before.set(1_000, 0).sealed()
    assert [number for number in after.blocks if after.blocks[number] is not before.blocks.get(number)] == [15]


def test_nothing_is_read_but_the_page_that_is_asked() -> None:
    pages = numbered(1_000).sealed()
    _entries.cache_clear()
    assert pages[300] == 300
    assert _entries.cache_info().currsize == 1


@given(st.lists(st.integers(0, 400), max_size=500))
def test_ids_hold_what_a_set_holds(numbers: list[int]) -> None:
    ids, plain = IdSet(), set[bytes]()
    for number in numbers:
        id = number.to_bytes(16, "big")
        assert (id in ids) == (id in plain)
        ids = ids.add(id)
        plain.add(id)
    assert bytes(ids) == b"".join(sorted(plain))
    assert IdSet(bytes(ids)) == ids


def test_an_older_set_does_not_hold_what_came_later() -> None:
    old = IdSet().add(b"a" * 16)
    assert b"b" * 16 in old.add(b"b" * 16)
    assert b"b" * 16 not in old
