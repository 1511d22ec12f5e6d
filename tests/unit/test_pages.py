from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.pages import Pages

NUMBERS = st.lists(st.tuples(st.integers(0, 2_000), st.integers()), max_size=60)
TEXTS = st.lists(st.tuples(st.text(max_size=3), st.integers()), max_size=60)


@given(st.one_of(NUMBERS, TEXTS), st.sets(st.integers(0, 60)))
def test_pages_hold_what_a_dictionary_holds_however_often_they_are_sealed(entries: Any, seals: set[int]) -> None:
    numbers = bool(entries) and isinstance(entries[0][0], int)
    adapter: TypeAdapter[Any] = TypeAdapter(dict[int, int]) if numbers else TypeAdapter(dict[str, int])
    pages, plain = Pages[Any, int](), {}
    for n, (key, value) in enumerate(entries):
        pages = pages.set(key, value)
        plain[key] = value
        if n in seals:
            pages = pages.sealed(adapter)
    assert dict(pages.items()) == plain
    assert len(pages) == len(plain)
    assert [pages.get(key) for key in plain] == list(plain.values())


def test_an_older_one_does_not_see_what_came_later() -> None:
    old = Pages[int, str]().set(1, "a").sealed(TypeAdapter(dict[int, str]))
    new = old.set(1, "b").set(2, "c")
    assert dict(old.items()) == {1: "a"}
    assert dict(new.items()) == {1: "b", 2: "c"}
    assert 2 not in old


def test_a_seal_writes_only_the_pages_that_something_came_to() -> None:
    adapter = TypeAdapter(dict[int, int])
    pages = Pages[int, int]()
    for number in range(1_000):
        pages = pages.set(number, number)
    before = pages.sealed(adapter)
    after = before.set(1_000, 0).sealed(adapter)
    changed = [number for number in after.kept if after.kept[number] is not before.kept.get(number)]
    assert changed == [3]


def test_nothing_is_read_but_the_page_that_is_asked() -> None:
    pages = Pages[int, int]()
    for number in range(1_000):
        pages = pages.set(number, number)
    pages = pages.sealed(TypeAdapter(dict[int, int]))
    assert pages[300] == 300
    assert [number for number, page in pages.kept.items() if "entries" in vars(page)] == [1]
