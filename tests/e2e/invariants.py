"""What is always true of an idle registry, whatever happened to it before."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import Mapping

import asyncpg
from modelog.events import Event

from shared.bus.topics import PARKED
from stack.waiting import until
from tests.e2e.attacks import BOMB_KEY, MARK, Place, Stranger, origin
from tests.e2e.installation import Installation, facts
from tests.e2e.load import Load
from tests.e2e.watching import records

DECLINED = "retraining.declined"
ANSWERS: Mapping[str, tuple[str, set[tuple[str, ...]]]] = {
    "model.trained": ("/modelog/ingestion", {("model.registered",), ("registration.refused",)}),
    "promotion.requested": ("/modelog/promotion", {("model.promoted",), ("promotion.refused",)}),
    "retirement.requested": ("/modelog/retirement", {("model.retired",), ("retirement.refused",)}),
    "drift.detected": (
        "/modelog/retraining",
        {(DECLINED,), ("drift.recorded", DECLINED), ("drift.recorded", "retraining.requested")},
    ),
}
"""For each message the service that answers it, and the kinds of fact that an answer may have."""

BY_CAUSE = """
select meta ->> 'causation' as cause, meta ->> 'source' as source, array_agg(kind order by position) as kinds
  from log.event
 where coalesce(meta ->> 'causation_source', meta ->> 'actor') = '/pipelines' and kind <> 'message.conflicted'
 group by 1, 2
"""
CONFLICTS = """
select data ->> 'message_id' as id, count(*) as times from log.event
 where kind = 'message.conflicted' and data ->> 'message_source' = '/pipelines' group by 1
"""
UNANSWERED = """
select fact.stream, fact.version, count(answer.id) as answers
  from log.event fact
  left join log.event answer on answer.stream = fact.stream
       and answer.meta ->> 'causation' = fact.id::text and answer.meta ->> 'source' = $2
 where fact.kind = $1 group by fact.position, fact.stream, fact.version having count(answer.id) <> 1
"""
HOLES = """
select stream from log.event join log.stream head using (stream) group by stream, head.version
having array_agg(event.version order by event.position) <> array(select generate_series(1, head.version))
"""
UNNUMBERED = """
select stream from log.event, lateral (select (data ->> 'version')::int as number) version
 where kind = 'model.registered'
 group by stream having array_agg(number order by position) <> array(select generate_series(1, max(number)))
"""
ONE_VERDICT = """
select stream, data ->> 'version', count(*) from log.event where kind in ('model.validated', 'model.rejected')
 group by 1, 2 having count(*) <> 1
"""


async def check(installation: Installation, load: Load, attacker: Stranger | None = None) -> None:
    """Every message is answered once; no stream has holes; topics and views have the facts of the log.

    Of what a stranger sent, nothing is in the log and all junk is parked.
    """
    log = await installation.log()
    try:
        await _answered(log, load.sent)
        conflicts = {row["id"]: row["times"] for row in await log.fetch(CONFLICTS)}
        assert conflicts == dict.fromkeys(load.conflicts, 1), "conflicts that were not answered once"
        assert not await log.fetch(HOLES), "streams with holes"
        assert not await log.fetch(UNNUMBERED), "models whose versions are not 1, 2, 3 …"
        assert not await log.fetch(ONE_VERDICT), "versions with more than one verdict"
        assert not await log.fetch(UNANSWERED, "model.registered", "/modelog/validation"), "registered, not judged once"
        assert not await log.fetch(UNANSWERED, "model.validated", "/modelog/promotion"), "validated, not answered once"
        await _published(installation, log)
    finally:
        await log.close()
    await _parked(installation, load.garbage, attacker)
    await views_equal_a_rebuild(installation)


async def _answered(log: asyncpg.Connection, sent: Mapping[str, Event]) -> None:
    answers: dict[str, list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
    for cause, source, kinds in await log.fetch(BY_CAUSE):
        answers[cause].append((source, tuple(kinds)))
    assert not (lost := set(sent) - set(answers)), f"{len(lost)} of {len(sent)} unanswered: {sorted(lost)[:10]}"
    assert not set(answers) - set(sent), "answers to messages that were never sent"
    for id, event in sent.items():
        source, expected = ANSWERS[event.type]
        assert len(answers[id]) == 1, (id, event, answers[id])
        assert answers[id][0][0] == source, (id, event, answers[id])
        assert answers[id][0][1] in expected, (id, event, answers[id])


Published = set[tuple[str, int, str]]
"""Kind, position and id of facts."""


async def _published(installation: Installation, log: asyncpg.Connection) -> None:
    logged = {(row["kind"], row["position"], str(row["id"])) for row in await log.fetch("select * from log.event")}
    found: Published = set()

    async def complete() -> bool:
        nonlocal found
        found = await _on_topics(installation)
        return found >= logged

    # A topic that was deleted a moment ago is being filled again.
    await until(complete, "every fact on its topic", seconds=60, every=1)
    assert found == logged, f"on the topics and not in the log: {sorted(found - logged)[:10]}"


async def _on_topics(installation: Installation) -> Published:
    """The facts on the topics; those of a model are in order when each comes for the first time."""
    published: Published = set()
    latest: dict[tuple[str, bytes], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for record in await records(installation, facts()):
        headers = {name: (text or b"").decode() for name, text in record.headers}
        if MARK[0] in headers:
            continue
        kind, position = record.topic.removeprefix(installation.prefix), int(headers["ce_sequence"])
        if (fact := (kind, position, headers["ce_id"])) not in published:
            place = int(headers.get("ce_epoch", "1")), position
            assert place > latest[kind, record.key], f"{kind} of {record.key!r} at {place} came late"
            latest[kind, record.key] = place
            published.add(fact)
    return published


async def _parked(installation: Installation, garbage: Mapping[bytes, str], attacker: Stranger | None) -> None:
    found: dict[Place, str] = {}
    reasons: dict[bytes | None, str] = {}
    for record in await records(installation, [PARKED]):
        place, reason = origin(installation, record)
        if place and attacker and (place in attacker.sent or MARK in record.headers or record.key == BOMB_KEY):
            found[place] = reason
        elif place:
            reasons[record.key] = reason
    assert set(reasons) == set(garbage)
    assert all(reason in reasons[key] for key, reason in garbage.items())
    assert not attacker or attacker.unreadable <= set(found), "junk that is not parked"


async def views_equal_a_rebuild(installation: Installation) -> None:
    """`rebuild` compares the views before it swaps them; its exit status is the result."""
    rebuild = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "operations", "rebuild"), env=installation.env, stdout=-1, stderr=-2
    )
    output, _ = await rebuild.communicate()
    assert rebuild.returncode == 0, output.decode()
    assert b" equal," in output, output.decode()
