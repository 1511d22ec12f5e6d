"""Views: tables made from the log and kept up to date with it, by one process at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from services.views.engine.catching_up import MAX_POSITIONS
from services.views.engine.definition import VIEWS, View, for_policy
from services.views.engine.projector import Projector
from shared.log.follower import Follower, Leadership
from shared.runtime.waiting import run_beside


def follower(views: Sequence[View] = VIEWS) -> Follower:
    """A component that follows the log with these views, shown with the policy in force."""

    @asynccontextmanager
    async def project(leadership: Leadership) -> AsyncIterator[Projector]:
        runtime = leadership.runtime
        projector = Projector(runtime.pool, leadership.connection, for_policy(runtime.policy, views))
        await projector.open()
        async with run_beside(*(projector.tend(view) for view in projector.views)):
            yield projector

    about = {view.name: f"fold {view.version}" for view in views}
    return Follower("views", project, about=about, max_positions=MAX_POSITIONS)


service = follower()
