"""Run a commit under load and write what it leaves to a file, as JSON lines.

`python -m tests.upgrade.make_dump ea756c9 FOLDER` made `ea756c9.jsonl`; that commit is cloned into FOLDER.

A line is any of: `{"sql": …}`, a table or view of the schema registry; `{"table": …, "row": {…}}`, as `to_jsonb` prints
it; `{"record": topic, …}` with key, value and headers in base64; `{"group": …, "topic", "partition", "offset"}`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from modelog.events import BY_TYPE, ModelTrained
from modelog.values import Artifact, File

from shared.bus.topics import PARKED
from stack import NativeServers
from stack.waiting import until
from tests.e2e.cluster import Cluster, new_cluster
from tests.e2e.installation import DECIDING
from tests.e2e.load import running_load
from tests.e2e.watching import records, wait_until_idle
from tests.upgrade.checkout import SNAPSHOT_OFTEN, Checkout, as_the_owner

MESSAGES = 150
RECORDS_OF_A_TOPIC = 2

NAMES = {"MODELOG_TOPIC_PREFIX": "dump.", "MODELOG_S3_BUCKET": "dump"}
TABLES = ("modelog.migration", "log.stream", "log.event", "log.cursor", "log.snapshot")
REGISTRY = """
select c.relname, c.relkind = 'v',
       case when c.relkind = 'v' then format('create view registry.%I as %s', relname, pg_get_viewdef(c.oid))
            else format('create table registry.%I (%s)', relname, columns) end,
       array(select pg_get_indexdef(indexrelid) from pg_index where indrelid = c.oid)
  from pg_class c,
       lateral (select string_agg(concat_ws(' ', quote_ident(attname), format_type(atttypid, atttypmod),
                                            case when attcollation not in (0, '"default"'::regcollation)
                                                 then 'collate ' || attcollation::regcollation end,
                                            case when attnotnull then 'not null' end), ', ' order by attnum)
                  from pg_attribute where attrelid = c.oid and attnum > 0) a (columns)
 where relnamespace = 'registry'::regnamespace and relkind in ('r', 'v')
 order by relkind, relname
"""


async def produce(cluster: Cluster, files: Path) -> None:
    """Load, then what the load does not send: a run without its bytes, and a record too large to be parked whole."""
    async with running_load(cluster, files, rate=25, models=3, conflicts=False) as load:

        async def sent() -> bool:
            return len(load.sent) >= MESSAGES

        await until(sent, f"{MESSAGES} messages", seconds=120)
    async with cluster.registry() as registry:
        missing = Artifact(files=(File(path="gone.pkl", size=3, sha256="0" * 64),))
        await registry.publish(ModelTrained(model="model-00", run="without bytes", artifact=missing, metrics={}))
    async with AIOKafkaProducer(bootstrap_servers=cluster.settings.kafka_servers, max_request_size=7 * 2**20) as out:
        await out.send_and_wait(f"{cluster.prefix}model.trained", b"x" * (6 * 2**20 - 200), key=b"too large")
    await wait_until_idle(cluster)


async def lines(cluster: Cluster) -> list[dict[str, Any]]:
    """Everything that is worth keeping."""
    log = await cluster.log()
    try:
        found = [line async for line in _rows(log)]
    finally:
        await log.close()
    for name in [*BY_TYPE, PARKED]:
        for record in (await records(cluster, [name]))[: None if name == PARKED else RECORDS_OF_A_TOPIC]:
            headers = [[header, _text(value)] for header, value in record.headers]
            found.append({"record": name, "key": _text(record.key), "value": _text(record.value), "headers": headers})
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.settings.kafka_servers)
    await admin.start()
    try:
        for name in DECIDING:
            for partition, at in (await admin.list_consumer_group_offsets(cluster.prefix + name)).items():
                topic = partition.topic.removeprefix(cluster.prefix)
                found.append({"group": name, "topic": topic, "partition": partition.partition, "offset": at.offset})
    finally:
        await admin.close()
    return found


async def _rows(log: asyncpg.Connection) -> AsyncIterator[dict[str, Any]]:
    tables = list(TABLES)
    for name, is_view, sql, indexes in await log.fetch(REGISTRY):
        yield {"sql": sql}
        for index in indexes:
            yield {"sql": index}
        tables += [] if is_view else [f"registry.{name}"]
    for table in tables:
        for (row,) in await log.fetch(f"select to_jsonb(t)::text from {table} t order by t"):
            yield {"table": table, "row": json.loads(row)}


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


async def dump(commit: str, folder: Path) -> list[dict[str, Any]]:
    """The lines of a dump of this commit: run it on servers of its own, and read everything."""
    checkout = Checkout.of(commit, folder)
    with TemporaryDirectory() as files, NativeServers() as servers:
        async with new_cluster(servers.addresses, Path(files), set_up=False, **NAMES) as cluster:
            one_login = as_the_owner(cluster.env)
            checkout.set_up(one_login)
            cluster.running["all"] = checkout.start((), one_login, Path(files, "all.log"), SNAPSHOT_OFTEN)
            await cluster.ready("all")
            await produce(cluster, Path(files))
            return await lines(cluster)


if __name__ == "__main__":
    target = Path(__file__).parent / f"{sys.argv[1]}.jsonl"
    with target.open("w") as file:
        for line in asyncio.run(dump(sys.argv[1], Path(sys.argv[2]))):
            print(json.dumps(line, separators=(",", ":"), ensure_ascii=False), file=file)
    print(f"{target.name}: {target.stat().st_size:,} bytes")
