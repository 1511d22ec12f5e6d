"""Looking at the views: what they say of every version, and that they say the same once they are built again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from examples.sentences import shown
from examples.trouble import Trouble
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
                 case when answers is not null then 'asked for by a drift report' end,
                 case when stage = 'archived' then 'replaced by a better one' end,
                 case when drifted then 'drifted' end,
                 retired_reason,
                 'not retired: ' || refusal) as why
  from registry.version
 where model = $1
 order by version
"""


@asynccontextmanager
async def views(upto: int, patience: float) -> AsyncIterator[asyncpg.Pool]:
    """The views, as soon as they show the facts up to this position."""
    async with await connect(settings().postgres_url.get_secret_value(), settings().postgres_role) as pool:
        try:
            await wait_until(pool, NAMES, upto, patience)
        except TimeoutError as late:
            raise Trouble(str(late)) from None
        yield pool


async def rebuilt(upto: int, patience: float) -> Sequence[Report]:
    """Drop every view, fold the log anew, and raise Trouble unless each shows what it showed before."""
    async with views(upto, patience) as pool:
        before = await digests(pool)
        reports = await rebuild(pool, drop=True)
        after = await digests(pool)
    if different := [name for name in before if before[name] != after.get(name)]:
        raise Trouble(f"the views {', '.join(different)} are not what they were before they were built again")
    return reports


async def versions(model: str, upto: int, patience: float) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Head and rows of the table of all versions."""
    async with views(upto, patience) as pool:
        rows = await pool.fetch(VERSIONS, model)
    told = [
        [str(row["version"]), row["status"], row["stage"], shown(json.loads(row["metrics"])), row["who"], row["why"]]
        for row in rows
    ]
    return ["version", "status", "stage", "metrics", "who", "why"], told
