"""What must hold of a registry once it is quiet, whatever happened to it before."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import Mapping

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from modelog.events import Event

from services.__main__ import part
from shared.topics import PARKED
from tests.e2e.process import until
from tests.e2e.world import DECIDING, World, facts

REFUSED = "promotion.refused"
ANSWERS = {
    "model.trained": ("/modelog/ingestion", {("model.registered",), ("registration.refused",)}),
    "promotion.requested": ("/modelog/promotion", {("model.promoted",), (REFUSED,)}),
    "retirement.requested": ("/modelog/retirement", {("model.retired",), ("retirement.refused",)}),
    "drift.detected": (
        "/modelog/retraining",
        {("retraining.declined",), ("drift.recorded", "retraining.declined"), ("drift.recorded", "retraining.requested")},
    ),
}
"""Who answers what, and how an answer may look."""

BY_CAUSE = """
select meta ->> 'causation' as cause, meta ->> 'source' as source, array_agg(kind order by position) as kinds
  from log.event where meta ->> 'actor' = '/pipelines' group by 1, 2
"""
UNANSWERED = """
select heard.stream, heard.version, count(answer.id) as answers
  from log.event heard
  left join log.event answer on answer.stream = heard.stream
       and answer.meta ->> 'causation' = heard.id::text and answer.meta ->> 'source' = $2
 where heard.kind = $1 group by heard.position, heard.stream, heard.version having count(answer.id) <> 1
"""
HOLES = """
select stream from log.event join log.stream head using (stream) group by stream, head.version
having array_agg(event.version order by event.position) <> array(select generate_series(1, head.version))
"""
UNNUMBERED = """
select stream from log.event, lateral (select (data ->> 'version')::int as number) told where kind = 'model.registered'
 group by stream having array_agg(number order by position) <> array(select generate_series(1, max(number)))
"""
ONE_VERDICT = """
select stream, data ->> 'version', count(*) from log.event where kind in ('model.validated', 'model.rejected')
 group by 1, 2 having count(*) <> 1
"""


async def quiet(world: World, limit: float = 120.0) -> None:
    """Wait until nobody has anything left to do."""
    seen = -1

    async def still() -> bool:
        nonlocal seen
        try:
            before, seen = seen, await _settled(world)
        except (OSError, asyncpg.PostgresError):
            return False
        return seen == before and not await lags(world)

    await until(still, f"a quiet registry ({world.logs})", limit, every=1.0)


async def _settled(world: World) -> int:
    log = await world.log()
    try:
        settled = int(await log.fetchval("select log.settled()"))
        relayed = await log.fetchval("select position from log.cursor where follower = 'relay'")
        behind = await log.fetchval("select count(*) from registry.cursor where position < $1", settled)
        return settled if relayed == settled and not behind else -1
    finally:
        await log.close()


async def lags(world: World) -> dict[str, int]:
    """Records that a service has not answered for yet."""
    admin = AIOKafkaAdminClient(bootstrap_servers=world.settings.kafka_servers)
    await admin.start()
    consumer = AIOKafkaConsumer(bootstrap_servers=world.settings.kafka_servers)
    await consumer.start()
    try:
        found = {}
        for name in DECIDING:
            committed = await admin.list_consumer_group_offsets(world.prefix + name)
            topics = [world.prefix + event.type for event in part(name).handlers]  # type: ignore[attr-defined]
            ends = await consumer.end_offsets(_partitions(world, topics))
            behind = sum(end - (committed[one].offset if one in committed else 0) for one, end in ends.items())
            if behind:
                found[name] = behind
        return found
    finally:
        await consumer.stop()
        await admin.close()


def _partitions(world: World, topics: list[str]) -> list[TopicPartition]:
    return [TopicPartition(topic, n) for topic in topics for n in range(world.settings.topic_partitions)]


async def records(world: World, names: list[str]) -> list[ConsumerRecord]:
    """Everything on these topics, each partition in order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=world.settings.kafka_servers)
    consumer.assign(_partitions(world, [world.prefix + name for name in names]))
    await consumer.start()
    try:
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(consumer.assignment())
        found = []
        while any([await consumer.position(one) < end for one, end in ends.items()]):
            for some in (await consumer.getmany(timeout_ms=500)).values():
                found += some
        return found
    finally:
        await consumer.stop()


async def check(world: World, sent: Mapping[str, Event], garbage: Mapping[bytes, str]) -> None:
    """Every message is answered once; every stream is whole; the topics and the views say what the log says."""
    log = await world.log()
    try:
        await _answered(log, sent)
        assert not await log.fetch(HOLES), "streams with holes"
        assert not await log.fetch(UNNUMBERED), "models whose versions are not 1, 2, 3 …"
        assert not await log.fetch(ONE_VERDICT), "versions with more than one verdict"
        assert not await log.fetch(UNANSWERED, "model.registered", "/modelog/validation"), "registered, not judged once"
        assert not await log.fetch(UNANSWERED, "model.validated", "/modelog/promotion"), "validated, not answered once"
        await _spoken(world, log)
    finally:
        await log.close()
    await _parked(world, garbage)
    await views_equal_a_rebuild(world)


async def _answered(log: asyncpg.Connection, sent: Mapping[str, Event]) -> None:
    answers: dict[str, list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
    for cause, source, kinds in await log.fetch(BY_CAUSE):
        answers[cause].append((source, tuple(kinds)))
    assert not (lost := set(sent) - set(answers)), f"{len(lost)} of {len(sent)} unanswered: {sorted(lost)[:10]}"
    assert not set(answers) - set(sent), "answers to what was never sent"
    for id, event in sent.items():
        source, looks = ANSWERS[event.type]
        assert len(answers[id]) == 1, (id, event, answers[id])
        assert answers[id][0][0] == source, (id, event, answers[id])
        assert answers[id][0][1] in looks, (id, event, answers[id])


async def _spoken(world: World, log: asyncpg.Connection) -> None:
    logged = {(row["kind"], row["position"], str(row["id"])) for row in await log.fetch("select * from log.event")}
    spoken: set[tuple[str, int, str]] = set()
    latest: dict[tuple[str, bytes], int] = defaultdict(int)
    for record in await records(world, facts()):
        told = {name: value.decode() for name, value in record.headers}
        kind, position = record.topic.removeprefix(world.prefix), int(told["ce_sequence"])
        if (fact := (kind, position, told["ce_id"])) not in spoken:
            assert position > latest[kind, record.key], f"{kind} of {record.key} at {position} came late"
            latest[kind, record.key] = position
            spoken.add(fact)
    assert spoken == logged


async def _parked(world: World, garbage: Mapping[bytes, str]) -> None:
    reasons = {record.key: dict(record.headers)["parked_reason"].decode() for record in await records(world, [PARKED])}
    assert set(reasons) == set(garbage)
    assert all(reason in reasons[mark] for mark, reason in garbage.items())


async def views_equal_a_rebuild(world: World) -> None:
    """`rebuild` compares before it swaps, and says so by its exit status."""
    rebuild = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.views", "rebuild"), env=world.env, stdout=-1, stderr=-2
    )
    told, _ = await rebuild.communicate()
    assert rebuild.returncode == 0, told.decode()
    assert b" equal," in told, told.decode()
