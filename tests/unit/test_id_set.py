from random import Random

from hypothesis import given
from hypothesis import strategies as st

from shared.deciding.id_set import ID_BYTES, MIN_RECENT, IdSet


def id_of(number: int) -> bytes:
    return number.to_bytes(ID_BYTES, "big")


def filled(numbers: range | list[int]) -> IdSet:
    ids = IdSet()
    for number in numbers:
        ids = ids.add(id_of(number))
    return ids


@given(st.lists(st.integers(0, 400), max_size=500))
def test_ids_are_those_of_a_set(numbers: list[int]) -> None:
    ids, plain = IdSet(), set[bytes]()
    for number in numbers:
        id = id_of(number)
        assert (id in ids) == (id in plain)
        ids = ids.add(id)
        plain.add(id)
    assert bytes(ids) == b"".join(sorted(plain))
    assert IdSet(bytes(ids)) == ids


def test_an_older_set_does_not_have_what_came_later() -> None:
    old = IdSet().add(b"a" * 16)
    assert b"b" * 16 in old.add(b"b" * 16)
    assert b"b" * 16 not in old


def test_every_id_is_found_once_they_are_sorted() -> None:
    numbers = list(range(0, 4_000, 2))
    Random(7).shuffle(numbers)
    ids = filled(numbers)
    assert [number for number in range(-0, 4_000) if id_of(number) in ids] == sorted(numbers)
    assert id_of(4_001) not in ids
    assert bytes(ids) == b"".join(map(id_of, sorted(numbers)))


def test_an_id_that_is_added_again_is_there_once() -> None:
    assert bytes(filled([*range(100), *range(100)])) == bytes(filled(range(100)))


def test_ids_are_sorted_once_they_are_64_or_a_sixteenth_of_all() -> None:
    recent = 140
    assert filled(range(MIN_RECENT - 1)).nbytes == (MIN_RECENT - 1) * recent
    assert filled(range(MIN_RECENT)).nbytes == MIN_RECENT * ID_BYTES
    large = IdSet(b"".join(map(id_of, range(1_615))))
    for number in range(2_000, 2_099):
        large = large.add(id_of(number))
    assert large.nbytes == 1_615 * ID_BYTES + 99 * recent
    assert large.add(id_of(3_000)).nbytes == 1_715 * ID_BYTES, "100 is a sixteenth of 1,615, rounded down"


def test_sets_are_equal_by_their_ids_and_equal_sets_have_one_hash() -> None:
    ids = filled(range(10))
    assert ids == IdSet(bytes(ids))
    assert hash(ids) == hash(IdSet(bytes(ids)))
    assert len({hash(filled(range(n))) for n in range(10)}) > 1
    assert ids != filled(range(9))
    assert ids != bytes(ids)
