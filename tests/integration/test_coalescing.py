import asyncio
import random
import uuid

import asyncpg
import pytest

from shared.log import Append, Entry, Head, Log


def entry(data: str = "{}") -> Entry:
    return Entry("model.registered", uuid.uuid4(), data, '{"source": "/test"}')


async def versions(log: Log) -> dict[str, int]:
    return dict(await log.pool.fetch("select stream, count(*)::int from log.event group by stream"))


async def test_callers_that_wait_at_the_same_time_share_transactions(log: Log) -> None:
    calls = [log.append([Append(f"s{n}", 0, [entry()])]) for n in range(200)]
    answers = await asyncio.gather(*calls)
    assert [answer[f"s{n}"].version for n, answer in enumerate(answers)] == [1] * 200
    assert await log.pool.fetchval("select count(distinct xmin::text) from log.event") <= 2


async def test_appends_that_follow_on_from_each_other_go_together(log: Log) -> None:
    calls = [log.append([Append("a", n, [entry()])]) for n in range(100)]
    answers = await asyncio.gather(*calls)
    assert [answer["a"].version for answer in answers] == list(range(1, 101))
    assert await log.pool.fetchval("select count(distinct xmin::text) from log.event") <= 2


async def test_whoever_waits_for_the_position_told_sees_the_own_facts(log: Log) -> None:
    answers = await asyncio.gather(*(log.append([Append("a", n, [entry()])]) for n in range(10)))
    for answer in answers:
        found = await log.pool.fetchval("select position from log.event where version = $1", answer["a"].version)
        assert found <= answer["a"].position


async def test_of_two_that_were_decided_side_by_side_one_has_moved(log: Log) -> None:
    first, second = await asyncio.gather(
        log.append([Append("a", 0, [entry()])]), log.append([Append("a", 0, [entry()])])
    )
    assert (first, second) == ({"a": Head(1, 1)}, {})


async def test_facts_that_follow_on_from_refused_ones_are_refused_with_them(log: Log) -> None:
    await log.append([Append("a", 0, [entry()])])
    answers = await asyncio.gather(*(log.append([Append("a", n, [entry()])]) for n in (0, 2, 3)))
    assert answers == [{}, {}, {}]
    assert await versions(log) == {"a": 1}


async def test_a_call_that_postgres_refuses_fails_alone(log: Log) -> None:
    calls = [log.append([Append(f"s{n}", 0, [entry("no json" if n == 5 else "{}")])]) for n in range(10)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(answers[5], asyncpg.InvalidTextRepresentationError)
    assert [answer for n, answer in enumerate(answers) if n != 5 and isinstance(answer, BaseException)] == []
    assert await versions(log) == {f"s{n}": 1 for n in range(10) if n != 5}


async def test_every_caller_is_told_that_postgres_is_gone(log: Log) -> None:
    await log.pool.close()
    answers = await asyncio.gather(
        *(log.append([Append(f"s{n}", 0, [entry()])]) for n in range(10)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {asyncpg.InterfaceError}


async def test_a_caller_that_gave_up_before_the_flush_leaves_nothing(log: Log) -> None:
    first = asyncio.create_task(log.append([Append("a", 0, [entry()])]))
    await asyncio.sleep(0)
    late, other = (asyncio.create_task(log.append([Append(name, 0, [entry()])])) for name in ("late", "other"))
    await asyncio.sleep(0)
    late.cancel()
    await asyncio.gather(first, other)
    assert await versions(log) == {"a": 1, "other": 1}


@pytest.mark.parametrize("seed", range(5))
async def test_many_callers_are_answered_as_if_each_came_alone_in_some_order(log: Log, seed: int) -> None:
    """Accepted appends make up each stream without a gap, and nothing that was refused is in the log."""
    dice = random.Random(seed)
    accepted: list[tuple[str, int, uuid.UUID]] = []
    heads = dict.fromkeys("abc", 0)

    async def caller() -> None:
        for _ in range(30):
            streams = dice.sample("abc", dice.randint(1, 3))
            appends = [Append(one, heads[one], [entry() for _ in range(dice.randint(1, 3))]) for one in streams]
            answer = await log.append(appends)
            for one in appends:
                if one.stream in answer:
                    assert answer[one.stream].version == one.expected + len(one.entries)
                    heads[one.stream] = max(heads[one.stream], answer[one.stream].version)
                    accepted.extend((one.stream, one.expected + n, entry.id) for n, entry in enumerate(one.entries, 1))

    await asyncio.gather(*(caller() for _ in range(12)))
    rows = await log.pool.fetch("select stream, version, id from log.event order by stream, version")
    assert [tuple(row) for row in rows] == sorted(accepted)
    assert [row["version"] for row in rows] == [n for one in "abc" for n in range(1, heads[one] + 1)]
