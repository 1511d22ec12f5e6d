"""All attacks at once, each again and again, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import asyncpg
import psutil
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from modelog.envelope import encode
from modelog.events import ModelTrained
from modelog.values import Artifact

from shared.log.lock_keys import FOLLOWERS
from tests.e2e import forgery
from tests.e2e.attacks import MARK, Stranger, foreign_consumers
from tests.e2e.cluster import Cluster
from tests.e2e.installation import DECIDING
from tests.e2e.load import Load

FAILURES = (KafkaError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError, psutil.Error)
"""What an attack meets while a server is away; it is tried again."""
DELETED = ("model.validated", "retirement.refused", "drift.recorded", "promotion.refused")
"""Topics of facts, which the log can fill again; with a topic of reports, reports would be lost."""
BOMB_MIB = 64
HOLD_SECONDS = 2.0
HORIZON = (
    "insert into log.event (stream, version, kind, id, data, meta) values ($1, 1, 'drift.recorded', $2, '{}', '{}')"
)
CURSOR = "select * from log.cursor where follower = 'relay' for update"
LEADERS = f"""
select pg_terminate_backend(pid) from pg_locks
 where locktype = 'advisory' and granted and {FOLLOWERS} in (classid, objid)
   and database = (select oid from pg_database where datname = current_database())
"""
"""Ends the sessions of all leaders."""


class Storm:
    """The attacks of a stranger, and of a machine that stops for seconds."""

    def __init__(self, cluster: Cluster, attacker: Stranger, load: Load) -> None:
        self.cluster = cluster
        self.attacker = attacker
        self.load = load
        self.random = random.Random(7)

    @property
    def attacks(self) -> dict[Callable[[], Awaitable[object]], float]:
        """Each attack, and the seconds between two of it."""
        return {
            self.junk: 0.5,
            self.bomb: 15,
            self.depth: 2,
            self.forge: 2,
            self.take_back: 2,
            self.hang: 10,
            self.join: 20,
            self.delete: 25,
            self.hold_horizon: 12,
            self.hold_cursor: 15,
            self.freeze: 20,
        }

    async def junk(self) -> None:
        await self.attacker.junk(100, self.random.choice(("model.trained", "drift.detected", "promotion.requested")))

    async def bomb(self) -> None:
        await self.attacker.bomb(BOMB_MIB)

    async def depth(self) -> None:
        await self.attacker.deep_json(self.random.choice(self.load.models))
        await self.attacker.deep_paths(self.random.choice(self.load.models))

    async def forge(self) -> None:
        model = self.random.choice(self.load.models)
        coming = [str(int(max(self.load.sent, key=int, default="0")) + n) for n in (1, 20)]
        forged = [*forgery.of_unknown_models("nobody"), *await forgery.with_real_positions(self.cluster, model)]
        for id in coming:
            forged += forgery.with_coming_ids(model, "/pipelines", id)
        await self.attacker.send_all(forged)

    async def take_back(self) -> None:
        run = ModelTrained(model=self.random.choice(self.load.models), run="taken back", artifact=Artifact())
        key, value, headers = encode(run, source="/taken-back")
        await self.attacker.aborted("model.trained", value, key, headers)

    async def hang(self) -> None:
        async with self.attacker.transaction() as producer:
            await producer.send_and_wait(f"{self.cluster.prefix}drift.detected", b"?", headers=[MARK])
            await asyncio.sleep(HOLD_SECONDS)
            await producer.abort_transaction()

    async def join(self) -> None:
        async with foreign_consumers(self.cluster, self.random.choice(DECIDING), 3):
            await asyncio.sleep(HOLD_SECONDS)

    async def delete(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.cluster.settings.kafka_servers)
        await admin.start()
        try:
            await admin.delete_topics([self.cluster.prefix + self.random.choice(DELETED)])
        finally:
            await admin.close()

    async def hold_horizon(self) -> None:
        await self._hold(HORIZON, f"held-{uuid4()}", uuid4())

    async def hold_cursor(self) -> None:
        await self._hold(CURSOR)

    async def freeze(self) -> None:
        """A relay stops for a while and all leaders lose their sessions: another may lead when it goes on."""
        stopped = [process for title, process in self.cluster.running.items() if title.startswith("relay")]
        first = stopped[self.random.randrange(len(stopped))].guarded.pid
        psutil.Process(first).send_signal(signal.SIGSTOP)
        try:
            await self.cluster.rows(LEADERS)
            await asyncio.sleep(HOLD_SECONDS)
        finally:
            with suppress(psutil.Error):
                psutil.Process(first).send_signal(signal.SIGCONT)

    async def _hold(self, statement: str, *arguments: object) -> None:
        log = await self.cluster.log()
        try:
            await log.execute("begin")
            await log.execute(statement, *arguments)
            await asyncio.sleep(HOLD_SECONDS)
        finally:
            await log.close(timeout=5)


@asynccontextmanager
async def storming(cluster: Cluster, attacker: Stranger, load: Load) -> AsyncIterator[dict[str, int]]:
    """All attacks for the time of the block; how often each was made without a failure."""
    storm, made, stopping = Storm(cluster, attacker, load), dict[str, int](), asyncio.Event()

    async def repeat(attack: Callable[[], Awaitable[object]], pause: float) -> None:
        name = attack.__name__
        while not stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), pause)
            with suppress(*FAILURES):
                await attack()
                made[name] = made.get(name, 0) + 1

    async with asyncio.TaskGroup() as group:
        for attack, pause in storm.attacks.items():
            group.create_task(repeat(attack, pause))
        try:
            yield made
        finally:
            stopping.set()
