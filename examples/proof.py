"""Reads the views: the table of all versions, and the proof that rebuilt views are equal."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from examples.errors import DemoError
from examples.sentences import shown
from services.views.engine.definition import NAMES
from services.views.engine.rebuild import Report, digests, rebuild
from shared.log.view_cursors import wait_until
from shared.runtime.postgres import connect
from shared.runtime.settings import settings

VERSIONS = """
select version,
       status,
       stage,
       metrics,
       concat_ws(', ', author || ' trained', promoted_by || ' promoted', retired_by || ' retired') as who,
       concat_ws('; ',
                 case when verdict = 'rejected' then split_part(findings #>> '{-1,sentence}', ';', 1) end,
                 case when answers is not null then 'requested after a drift report' end,
                 case when stage = 'archived' then 'replaced by a better version' end,
                 case when drifted then 'drifted' end,
                 retired_reason,
                 'not retired: ' || refusal) as why
  from registry.version
 where model = $1
 order by version
"""


@asynccontextmanager
async def views(upto: int, seconds: float) -> AsyncIterator[asyncpg.Pool]:
    """A pool, as soon as the views contain the facts up to this position."""
    async with await connect(**settings().postgres, role=settings().postgres_role) as pool:
        try:
            await wait_until(pool, NAMES, upto, seconds)
        except TimeoutError as error:
            raise DemoError(str(error)) from None
        yield pool


async def rebuilt(upto: int, seconds: float) -> Sequence[Report]:
    """Drop every view, build it again from the log, and raise DemoError unless its rows are equal to those before."""
    async with views(upto, seconds) as pool:
        before = await digests(pool)
        reports = await rebuild(pool, drop=True)
        after = await digests(pool)
    if different := [name for name in before if before[name] != after.get(name)]:
        raise DemoError(f"the views {', '.join(different)} are not equal to those before the rebuild")
    return reports


async def versions(model: str, upto: int, seconds: float) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Head and rows of the table of all versions."""
    async with views(upto, seconds) as pool:
        rows = await pool.fetch(VERSIONS, model)
    texts = [
        [str(row["version"]), row["status"], row["stage"], shown(json.loads(row["metrics"])), row["who"], row["why"]]
        for row in rows
    ]
    return ["version", "status", "stage", "metrics", "who", "why"], texts
