"""The service `parked`: a row for each record that was parked, however often the topic is read."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from services.parked import reading
from services.parked.app import Parked
from services.parked.reading import NoBatch, consume
from shared.log import Log
from shared.runtime.errors import is_transient
from shared.runtime.health import Health
from shared.runtime.runtime import Runtime
from shared.runtime.settings import Settings
from stack import Addresses
from stack.disposable import Sandbox, disposable
from stack.waiting import until
from tests.integration.followers import running, until_reported
from tests.unit.test_health import get


@pytest.fixture
async def registry(stack: Addresses) -> AsyncIterator[Sandbox]:
    """A registry without services."""
    async with disposable(stack, "parked", MODELOG_TOPIC_PARTITIONS="1") as sandbox:
        yield sandbox


async def park(settings: Settings, *offsets: int) -> None:
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_servers) as producer:
        for offset in offsets:
            place = {"topic": f"{settings.topic_prefix}model.trained", "partition": 0, "offset": offset}
            said = {"service": "ingestion", **place, "at": "2026-01-01T00:00:00+00:00", "reason": "no JSON"}
            headers = [(f"parked_{name}", str(value).encode()) for name, value in said.items()]
            headers = [("ce_source", b"/tests"), ("ce_id", str(offset).encode()), *headers]
            await producer.send_and_wait(f"{settings.topic_prefix}parked", b"{", key=b"k", headers=headers)


async def test_a_record_has_one_row_also_when_the_topic_is_read_again(registry: Sandbox) -> None:
    settings = registry.settings
    await park(settings, 1, 2, 2)
    async with await registry.service() as pool:
        for name in ("parked", "parked-again"):  # another group reads the topic from its beginning
            async with running(Runtime(settings, pool, settings.read_policy()), Parked(name)) as runtime:
                await until_reported(runtime, name, ready=True, role="member", lag=0, partitions=1, why=None)

                async def rows() -> bool:
                    found = await pool.fetch('select "offset" from log.parked order by number')
                    return [offset for (offset,) in found] == [1, 2]

                await until(rows, "a row for each place")
        assert await pool.fetchval("select count(distinct cause) from log.parked") == 2


async def test_a_second_instance_stands_by(registry: Sandbox) -> None:
    async with await registry.service() as pool:
        runtime = Runtime(registry.settings, pool, registry.settings.read_policy())
        async with running(runtime, Parked()) as first, running(runtime, Parked()) as second:

            async def shared() -> bool:
                roles = [own.health.components.get("parked", {}).get("role") for own in (first, second)]
                return sorted(map(str, roles)) == ["member", "standby"]

            await until(shared, "one member and one stand-by")
            assert all(own.health.components["parked"]["ready"] for own in (first, second))


async def test_a_missing_topic_is_a_sentence_and_is_waited_for(settings: Settings, log: Log) -> None:
    async def nothing(*_: object) -> None:
        pass

    with pytest.raises(NoBatch, match=r"there is no topic .*parked: run `python -m operations setup`") as found:
        await consume(Runtime(settings, log.pool, settings.read_policy()), "parked", nothing, nothing)
    assert is_transient(found.value)


def test_its_counters_start_at_zero() -> None:
    address = Health().serve("127.0.0.1", 0)
    metrics = get(f"{address}/metrics")[2].decode()
    assert all(f'modelog_parked_read_total{{outcome="{name}"}}' in metrics for name in ("kept", "repeated", "ignored"))


async def test_it_is_not_ready_while_a_stranger_in_its_group_keeps_the_partitions(
    registry: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "GROUP_SECONDS", 0.1)
    monkeypatch.setattr(reading, "STALLED_SECONDS", 0.5)
    settings, topic = registry.settings, f"{registry.settings.topic_prefix}parked"
    await park(settings, 1)
    servers = settings.kafka_servers
    stranger = AIOKafkaConsumer(topic, bootstrap_servers=servers, group_id=topic, enable_auto_commit=False)
    async with (
        await registry.service() as pool,
        stranger,
        running(Runtime(settings, pool, settings.read_policy()), Parked()) as runtime,
    ):
        await until_reported(runtime, "parked", ready=False, role="standby", partitions=0)
        assert "other members of the group have 1 records" in str(runtime.health.components["parked"]["why"])
