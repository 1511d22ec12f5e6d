"""A snapshot is of the code of its fold, and not of the words in it."""

from random import Random
from typing import Any

import pytest

from services.ingestion.decision import Runs, registration
from shared.deciding.history import History
from shared.deciding.snapshots import SNAPSHOT_BYTES_PER_FACT, SNAPSHOT_FACTS, Snapshots, _code, _undescribed
from shared.domain.paged_map import PagedMap

PLAIN = """
LIMIT = 1


class State:
    size: int = 0


def evolve(state):
    return state
"""
DESCRIBED = '''
"""A module."""

LIMIT = 1
"""A constant."""


class State:
    """A class."""

    size: int = 0
    """A field."""


def evolve(state):
    """A function."""
    return state  # a comment
'''


def test_comments_and_docstrings_do_not_change_a_fold() -> None:
    assert _code(DESCRIBED) == _code(PLAIN)


def test_code_changes_a_fold() -> None:
    assert _code(PLAIN.replace("LIMIT = 1", "LIMIT = 2")) != _code(PLAIN)
    assert _code(PLAIN.replace("return state", "return None")) != _code(PLAIN)


def test_a_description_does_not_change_a_shape_and_a_property_of_that_name_does() -> None:
    schema = {"description": "words", "properties": {"description": {"type": "string", "description": "words"}}}
    other = {"description": "others", "properties": {"description": {"type": "string"}}}
    assert _undescribed(schema) == _undescribed(other) == {"properties": {"description": {"type": "string"}}}
    assert _undescribed({"properties": {}}) != _undescribed(other)


@pytest.mark.parametrize(("facts", "due"), [(SNAPSHOT_FACTS - 1, False), (SNAPSHOT_FACTS, True)])
def test_a_small_state_is_stored_each_so_many_facts(facts: int, due: bool) -> None:
    pool: Any = None
    history = History(registration.initial, 1_000 + facts, snapshot_version=1_000)
    assert Snapshots(pool, registration, b"key").is_due(history) == due


def test_a_large_state_is_stored_when_the_new_facts_are_worth_its_bytes() -> None:
    pool: Any = None
    manifests, dice = PagedMap(str, str), Random(7)
    for n in range(10_000):
        manifests = manifests.set(f"run-{n}", dice.randbytes(32).hex())
    large = History(Runs(10_000, manifests))
    facts = -(-large.nbytes // SNAPSHOT_BYTES_PER_FACT)
    assert facts > SNAPSHOT_FACTS
    snapshots = Snapshots(pool, registration, b"key")
    assert not snapshots.is_due(History(large.state, facts - 1))
    assert snapshots.is_due(History(large.state, facts))
