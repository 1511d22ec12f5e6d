"""A thief of the services' login appends what is no fact: the log refuses it, whatever the caller is."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.log import Append, Log
from tests.appends import entry
from tests.integration.thieves import everything


def arguments(**other: Any) -> list[Any]:
    """Of an append of two facts to the stream `a`, and one to the stream `c`, some replaced."""
    facts = [entry("a"), entry("a"), entry("c")]
    named = {
        "streams": ["a", "c"],
        "expected": [2, 0],
        "counts": [2, 1],
        "stream": ["a", "a", "c"],
        "version": [3, 4, 1],
        "kind": [fact.kind for fact in facts],
        "id": [fact.id for fact in facts],
        "data": [fact.data for fact in facts],
        "meta": [fact.meta for fact in facts],
    }
    return list({**named, **other}.values())


def data(third: str) -> list[str]:
    return [entry("a").data, entry("a").data, third]


def meta(**third: Any) -> list[str]:
    return [entry("a").meta, entry("a").meta, entry("c", **third).meta]


NOT_FACTS: dict[str, tuple[dict[str, Any], str]] = {
    "a report": ({"kind": ["model.promoted", "model.trained", "model.promoted"]}, "'model.trained', which is no kind"),
    "an unknown kind": ({"kind": ["model.promoted", "model.promoted", "model.sung"]}, "'model.sung', which is no kind"),
    "no kind": ({"kind": ["model.promoted", None, "model.promoted"]}, "NULL, which is no kind"),
    "a gap": ({"version": [3, 5, 1]}, "next versions in order"),
    "a version again": ({"version": [3, 3, 1]}, "next versions in order"),
    "versions in another order": ({"version": [4, 3, 1]}, "next versions in order"),
    "a version that is not next": ({"version": [3, 4, 2]}, "next versions in order"),
    "no version": ({"version": [3, None, 1]}, "next versions in order"),
    "a count that is too high": ({"counts": [3, 1]}, "as many as the counts"),
    "a count that is too low": ({"counts": [1, 1]}, "as many as the counts"),
    "counts that make up for each other": ({"counts": [1, 2]}, "as many as the counts"),
    "a count of 0": ({"counts": [2, 0]}, "some facts for stream c"),
    "a count below 0": ({"counts": [4, -1]}, "some facts for stream c"),
    "no count": ({"counts": [3, None]}, "refused"),
    "arrays of other lengths": ({"id": [uuid4()]}, "six of one length"),
    "a stream twice": (
        {"streams": ["a", "a"], "expected": [2, 2], "stream": ["a", "a", "a"], "version": [3, 4, 3]},
        "expected stream a once",
    ),
    "facts of another stream": ({"stream": ["a", "a", "b"], "data": data(entry("b").data)}, "as many as the counts"),
    "no stream": ({"streams": ["a", None], "stream": ["a", "a", None]}, "expected the name of a model, found NULL"),
    "a name that no model has": (
        {"streams": ["a", "c\n"], "stream": ["a", "a", "c\n"], "data": data(entry("c\n").data)},
        "expected the name of a model",
    ),
    "a long name": (
        {"streams": ["a", "c" * 201], "stream": ["a", "a", "c" * 201], "data": data(entry("c" * 201).data)},
        "expected the name of a model",
    ),
    "an expected version below 0": ({"expected": [2, -1], "version": [3, 4, 0]}, "a version from 0 on"),
    "two facts of an id": ({"id": [UUID(int=9), UUID(int=8), UUID(int=9)]}, "ids that differ"),
    "no id": ({"id": [UUID(int=9), UUID(int=8), None]}, "ids that differ"),
    "data of another model": ({"data": data(entry("b").data)}, "data of another model, or of none"),
    "data of no model": ({"data": data("{}")}, "data of another model, or of none"),
    "data that is a list": ({"data": data('["c"]')}, "data of another model, or of none"),
    "data that is a text": ({"data": data('"c"')}, "data of another model, or of none"),
    "no data": ({"data": [entry("a").data, None, entry("c").data]}, "data of another model, or of none"),
    "too much data": ({"data": data(json.dumps({"model": "c", "x": "y" * 2**22}))}, "more than 4194304 bytes of data"),
    "numbers that print as too much": (
        {"data": data('{"model": "c", "x": [' + "1e300, " * 20_000 + "1]}")},
        "more than 4194304 bytes of data",
    ),
    "no cause": ({"meta": meta(cause=None)}, "without cause, source or schema"),
    "a cause that is no uuid": ({"meta": meta(cause="me")}, "a cause that is a uuid"),
    "no source": ({"meta": meta(source=None)}, "without cause, source or schema"),
    "a source that is no text": ({"meta": meta(source=7)}, "without cause, source or schema"),
    "no schema": ({"meta": meta(schema=None)}, "without cause, source or schema"),
    "meta that is a text": ({"meta": [entry("a").meta, '"x"', entry("c").meta]}, "without cause, source or schema"),
    "too much meta": ({"meta": meta(actor="x" * 70_000)}, "or more than 65536 of meta"),
}
APPEND = "select * from log.append($1, $2, $3, $4, $5, $6, $7, $8, $9)"


@pytest.mark.parametrize(("other", "sentence"), NOT_FACTS.values(), ids=NOT_FACTS)
async def test_an_append_of_a_thief_that_is_no_append_is_refused_and_changes_nothing(
    robbed_owner: asyncpg.Connection, thief: asyncpg.Connection, other: dict[str, Any], sentence: str
) -> None:
    before = await everything(robbed_owner)
    with pytest.raises(asyncpg.PostgresError, match="these facts are refused: ") as refused:
        await thief.fetch(APPEND, *arguments(**other))
    assert sentence in str(refused.value)
    assert getattr(refused.value, "sqlstate", None) == "LOG03"
    assert await everything(robbed_owner) == before


SINGLE: dict[str, dict[str, Any]] = {
    "a report": {"kind": ["model.trained"]},
    "no kind": {"kind": [None]},
    "a version that is not next": {"version": [4]},
    "a count that is too high": {"counts": [2]},
    "another stream": {"stream": ["b"]},
    "a name that no model has": {"streams": ["a!"], "stream": ["a!"], "data": [entry("a!").data], "expected": [0]},
    "a version below 0": {"expected": [-1], "version": [0]},
    "no expected version": {"expected": [None]},
    "no id": {"id": [None]},
    "data of another model": {"data": [entry("b").data]},
    "no data": {"data": [None]},
    "no cause": {"meta": [entry("a", cause=None).meta]},
    "a cause that is no uuid": {"meta": [entry("a", cause="me").meta]},
    "no meta": {"meta": [None]},
    "too much data": {"data": [json.dumps({"model": "a", "x": "y" * 2**22})]},
    "two streams": {"streams": ["a", "b"], "expected": [2, 1], "counts": [1, 0]},
}


@pytest.mark.parametrize("other", SINGLE.values(), ids=SINGLE)
async def test_a_single_fact_of_a_thief_that_is_none_is_refused_and_changes_nothing(
    robbed_owner: asyncpg.Connection, thief: asyncpg.Connection, other: dict[str, Any]
) -> None:
    before, fact = await everything(robbed_owner), entry("a")
    named = {"streams": ["a"], "expected": [2], "counts": [1], "stream": ["a"], "version": [3], "kind": [fact.kind]}
    named |= {"id": [fact.id], "data": [fact.data], "meta": [fact.meta]}
    with pytest.raises(asyncpg.PostgresError, match="these facts are refused: "):
        await thief.fetch(APPEND, *(named | other).values())
    assert await everything(robbed_owner) == before


async def test_the_append_that_these_are_made_of_is_accepted(thief: asyncpg.Connection) -> None:
    transaction = thief.transaction()
    await transaction.start()
    assert len(await thief.fetch(APPEND, *arguments())) == 2
    await transaction.rollback()


async def test_a_stream_of_an_old_name_goes_on(robbed_owner: asyncpg.Connection, thief: asyncpg.Connection) -> None:
    async with robbed_owner.transaction():
        await robbed_owner.execute("insert into log.stream values ('an old name!', 1)")
    accepted = await Log(thief).append([Append("an old name!", 1, [entry("an old name!")])])
    assert accepted["an old name!"].version == 2


@pytest.mark.parametrize("meta", [{"schema": 1}, {"schema": 2}, {"schema": 3, "digest": "x"}])
async def test_facts_of_every_schema_are_accepted(thief: asyncpg.Connection, meta: dict[str, Any]) -> None:
    stream = f"schema {meta['schema']}"
    assert await Log(thief).append([Append(stream, 0, [entry(stream, **meta)])])
