"""The `eventsourcing` library in the same Postgres and the same run, used as its documentation describes.

What is measured is the path that it takes by default: aggregates whose events are JSON, recorded by `Application.save`
with its PostgresApplicationRecorder (psycopg's pipeline, a lock on the table, no database functions), read by
`repository.get` without snapshots, and projected by `ProjectionRunner` into a PostgresTrackingRecorder. It gets a
connection for each thread, C-compiled psycopg, and an event of the size of ours.

Its database functions, which have to be switched on, save faster but take no lock on the table (9.5.6): a reader that
follows the log may then miss events, which ours may not. They are not measured here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import IntegrityError, Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.sql import SQL, Identifier

from bench.events import drifted
from stack.disposable import Sandbox

CALLERS = 16
EVENTS_PER_SAVE = 500
REPORT = drifted("fraud").model_dump(mode="json", exclude={"model"})


class Monitored(Aggregate):
    """A model with the number and the last score of its reports."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.reports = 0
        self.score = 0.0

    @event("DriftRecorded")
    def record(
        self,
        version: int,
        detector: str,
        score: float,
        threshold: float | None,
        drifted: bool,
        features: list[str],
        window: Mapping[str, str],
        report: str,
    ) -> None:
        """Record a report."""
        self.reports += 1
        self.score = score


class Monitoring(Application[UUID]):
    """All such models."""


class Followed(Monitoring):
    """The same with a table of its own, so that nothing else is projected."""


class Shown(PostgresTrackingRecorder):
    """The view: a row for each model, upserted with each event in the transaction that tracks it."""

    def __init__(self, datastore: PostgresDatastore, **kwargs: Any) -> None:
        super().__init__(datastore, **kwargs)
        table = SQL("{}.{}").format(Identifier(datastore.schema), Identifier("peer_view"))
        self.sql_create_statements.append(
            SQL("create table if not exists {} (model uuid primary key, version bigint, score float8)").format(table)
        )
        self.upsert = SQL(
            "insert into {} values (%s, %s, %s) on conflict (model) do update"
            " set version = excluded.version, score = excluded.score"
        ).format(table)

    def show(self, model: UUID, version: int, score: float, tracking: Tracking) -> None:
        """Upsert the model's row."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(self.upsert, (model, version, score), prepare=True)


class Showing(Projection[Shown]):
    """Every event into the view, with the time: `ProjectionRunner.wait` checks too seldom to measure it."""

    def __init__(self, view: Shown) -> None:
        super().__init__(view)
        self.shown: list[float] = []

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """Write the event into the view."""
        score = getattr(domain_event, "score", 0.0)
        self.view.show(domain_event.originator_id, domain_event.originator_version, score, tracking)
        self.shown.append(time.perf_counter())


async def saves(sandbox: Sandbox, seconds: float, callers: int = CALLERS, same: bool = False) -> float:
    """Events a second, a save for each: by `callers` threads, each with its own aggregate or all with the same.

    A thread with its own aggregate only saves. Threads that share an aggregate get it from the repository's cache,
    fast-forwarded, and try again when another thread was faster.
    """
    return await asyncio.to_thread(_saves, sandbox, seconds, callers, same)


async def folded(sandbox: Sandbox, events: int) -> float:
    """Milliseconds of `repository.get` for an aggregate of this many events, without cache and without snapshot."""
    return await asyncio.to_thread(_folded, sandbox, events)


async def projected(sandbox: Sandbox, events: int, models: int = 400) -> float:
    """Events a second into the view, from the first to the last."""
    return await asyncio.to_thread(_projected, sandbox, events, models)


def _saves(sandbox: Sandbox, seconds: float, callers: int, same: bool) -> float:
    with _monitoring(sandbox, callers, AGGREGATE_CACHE_MAXSIZE="100" if same else "") as app, _threads(callers) as pool:
        shared = Monitored("shared")
        app.save(shared)
        list(pool.map(lambda _: app.save(Monitored("warm")), range(2 * callers)))
        until = time.perf_counter() + seconds
        call = (lambda _: _share(app, shared.id, until)) if same else (lambda _: _own(app, until))
        began = time.perf_counter()
        done = sum(pool.map(call, range(callers)))
        return done / (time.perf_counter() - began)


def _own(app: Monitoring, until: float) -> int:
    done, model = 0, Monitored("own")
    while time.perf_counter() < until:
        model.record(**REPORT)
        app.save(model)
        done += 1
    return done


def _share(app: Monitoring, shared: UUID, until: float) -> int:
    done = 0
    while time.perf_counter() < until:
        model: Monitored = app.repository.get(shared)
        model.record(**REPORT)
        try:
            app.save(model)
        except IntegrityError:
            continue
        done += 1
    return done


def _folded(sandbox: Sandbox, events: int) -> float:
    with _monitoring(sandbox) as app:
        model = Monitored("long")
        for n in range(1, events):
            model.record(**REPORT)
            if n % EVENTS_PER_SAVE == 0:
                app.save(model)
        app.save(model)
        began = time.perf_counter()
        found: Monitored = app.repository.get(model.id)
        took = (time.perf_counter() - began) * 1000
        assert found.reports == events - 1
        return took


def _projected(sandbox: Sandbox, events: int, models: int) -> float:
    with Followed(env=_env(sandbox)) as app:
        every = [Monitored(f"model-{n}") for n in range(models)]
        for _ in range(events // models - 1):
            for model in every:
                model.record(**REPORT)
            app.save(*every)
        last = app.recorder.max_notification_id()
        assert last is not None
    runner = ProjectionRunner[Followed, Shown](
        application_class=Followed, projection_class=Showing, view_class=Shown, env=_env(sandbox)
    )
    with runner:
        runner.wait(last, timeout=600)
        assert isinstance(runner.projection, Showing)
        shown = runner.projection.shown
    runner.view.datastore.close()
    return (len(shown) - 1) / (shown[-1] - shown[0])


@contextmanager
def _monitoring(sandbox: Sandbox, connections: int = 4, **env: str) -> Iterator[Monitoring]:
    with Monitoring(env=_env(sandbox) | {"POSTGRES_POOL_SIZE": str(connections)} | env) as app:
        yield app


def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="peer")


def _env(sandbox: Sandbox) -> dict[str, str]:
    url = urlsplit(sandbox.addresses.owner)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": url.path.removeprefix("/"),
        "POSTGRES_HOST": url.hostname or "localhost",
        "POSTGRES_PORT": str(url.port or 5432),
        "POSTGRES_USER": unquote(url.username or ""),
        "POSTGRES_PASSWORD": unquote(url.password or ""),
    }
