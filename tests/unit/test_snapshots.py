"""A snapshot is of the code of its fold, and not of the words in it."""

from shared.deciding.snapshots import _code, _undescribed

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
