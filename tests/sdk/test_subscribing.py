"""Subscribing, on a real broker: at least once, committed after the body."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from modelog import DriftDetected, ModelPromoted, PromotionRequested, Registry
from modelog._kafka.reader import MAX_RECORDS
from modelog.envelope import encode

from tests.sdk.reading import LIMIT_SECONDS, failing, publish_requests, requested, take, versions

pytestmark = pytest.mark.integration


@pytest.fixture
def group() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


async def test_a_message_is_committed_when_the_next_is_asked_for(registry: Registry, group: str) -> None:
    await publish_requests(registry, 5)
    assert versions(await take(registry.subscribe(PromotionRequested, group=group), 3)) == [1, 2, 3]
    assert versions(await take(registry.subscribe(PromotionRequested, group=group), 3)) == [3, 4, 5]


async def test_a_message_whose_body_failed_is_delivered_again(registry: Registry, group: str) -> None:
    await publish_requests(registry, 2)
    with pytest.raises(ZeroDivisionError):
        [failing(message) async for message in registry.subscribe(PromotionRequested, group=group)]
    assert versions(await take(registry.subscribe(PromotionRequested, group=group), 1)) == [1]


async def test_an_entered_subscription_commits_its_last_message(registry: Registry, group: str) -> None:
    await publish_requests(registry, 3)
    async with registry.subscribe(PromotionRequested, group=group) as messages:
        await take(messages, 2)
    async with registry.subscribe(PromotionRequested, group=group) as messages:
        assert versions(await take(messages, 1)) == [3]


async def test_an_entered_subscription_that_failed_does_not_commit_its_last_message(
    registry: Registry, group: str
) -> None:
    await publish_requests(registry, 1)

    async def entering_and_failing() -> None:
        async with registry.subscribe(PromotionRequested, group=group) as messages:
            failing(await take(messages, 1))

    with pytest.raises(ZeroDivisionError):
        await entering_and_failing()
    assert versions(await take(registry.subscribe(PromotionRequested, group=group), 1)) == [1]


async def test_two_groups_both_read_everything(registry: Registry, group: str) -> None:
    await publish_requests(registry, 2)
    for name in (f"{group}-a", f"{group}-b"):
        assert versions(await take(registry.subscribe(PromotionRequested, group=name), 2)) == [1, 2]


async def test_without_a_group_everything_is_read_each_time(registry: Registry) -> None:
    await publish_requests(registry, 3)
    for _ in range(2):
        messages = [message async for message in registry.subscribe(PromotionRequested, group=None, until="now")]
        assert versions(messages) == [1, 2, 3]


async def test_a_finite_read_of_an_empty_topic_ends(registry: Registry) -> None:
    assert [message async for message in registry.subscribe(PromotionRequested, group=None, until="now")] == []


async def test_several_types_are_read_together(registry: Registry) -> None:
    drift = DriftDetected(model="fraud", version=7, detector="ks", score=0.4, threshold=0.3, drifted=True)
    await registry.publish(drift)
    await registry.publish(requested(7))
    received = registry.subscribe(PromotionRequested, DriftDetected, group=None, until="now")
    assert {message.event for message in [message async for message in received]} == {drift, requested(7)}


async def test_what_is_no_event_is_skipped_counted_and_logged(
    registry: Registry, env: dict[str, str], prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    topic = f"{prefix}promotion.requested"
    other = encode(
        DriftDetected(model="fraud", version=7, detector="ks", score=1, threshold=1, drifted=False), source="x"
    )
    async with AIOKafkaProducer(bootstrap_servers=env["MODELOG_KAFKA_SERVERS"]) as producer:
        await producer.send_and_wait(topic, None, b"fraud", headers=[("x", None)])
        await producer.send_and_wait(topic, b"\xff", b"fraud", headers=[("ce_type", b"\xff")])
        await producer.send_and_wait(topic, other[1], other[0], headers=other[2])
        await producer.send_and_wait(topic, b"{}", b"fraud", headers=[*other[2], ("ce_type", b"version.tags.set")])
    await registry.publish(requested(7))
    messages = registry.subscribe(PromotionRequested, group=None, until="now")
    assert versions([message async for message in messages]) == [7]
    assert messages.skipped == 4
    logged = [record.getMessage() for record in caplog.records if "is skipped" in record.getMessage()]
    assert [sentence.partition("found ")[2] for sentence in logged] == [
        "an empty value: send the event's data",
        "'\ufffd'",
        "drift.detected",
        "'version.tags.set'",
    ]


async def test_latest_is_where_a_group_first_read_not_where_it_comes_back(
    registry: Registry, env: dict[str, str], prefix: str, group: str
) -> None:
    await registry.publish(requested(1))
    reading = asyncio.create_task(take(registry.subscribe(PromotionRequested, group=group, since="latest"), 1))
    await committed(env["MODELOG_KAFKA_SERVERS"], prefix + group, f"{prefix}promotion.requested")
    reading.cancel()
    await asyncio.wait([reading])
    await registry.publish(requested(2))
    again = registry.subscribe(PromotionRequested, group=group, since="latest")
    assert versions(await take(again, 1)) == [2]


async def committed(servers: str, group: str, topic: str) -> None:
    """Wait until the group has a position in every partition."""
    async with AIOKafkaConsumer(bootstrap_servers=servers, group_id=group, enable_auto_commit=False) as consumer:
        places = [TopicPartition(topic, partition) for partition in range(3)]
        consumer.assign(places)

        async def everywhere() -> None:
            while None in [await consumer.committed(place) for place in places]:
                pass

        await asyncio.wait_for(everywhere(), LIMIT_SECONDS)


async def test_a_second_member_gets_its_share_and_nothing_is_lost(registry: Registry, group: str) -> None:
    expected = {(f"model{number}", version) for number in range(12) for version in (1, 2, 3)}
    received: set[tuple[str, int]] = set()
    both, whole = asyncio.Event(), asyncio.Event()
    members: set[int] = set()

    async def member(number: int) -> None:
        async for message in registry.subscribe(PromotionRequested, group=group):
            received.add((message.event.model, message.event.version))
            members.add(number)
            if len(members) == 2:
                both.set()
            if received >= expected:
                whole.set()

    tasks = [asyncio.create_task(member(number)) for number in range(2)]
    version = 0
    try:
        while not (both.is_set() and version >= 3) and version < 1000:
            version += 1
            for model, _ in sorted({(model, 1) for model, _ in expected}):
                await registry.publish(requested(version, model))
        await asyncio.wait_for(whole.wait(), LIMIT_SECONDS)
        await asyncio.wait_for(both.wait(), LIMIT_SECONDS)
    finally:
        for task in tasks:
            task.cancel()
        _, running = await asyncio.wait(tasks, timeout=LIMIT_SECONDS)
    assert not running
    assert not any(task.exception() for task in tasks if not task.cancelled())


async def test_a_cancelled_loop_ends_at_whichever_step_it_is_cancelled(registry: Registry) -> None:
    await publish_requests(registry, 50)
    for steps in range(30):
        begun = asyncio.Event()

        async def reading(begun: asyncio.Event = begun) -> None:
            async for _ in registry.subscribe(PromotionRequested, group=None):
                begun.set()

        task = asyncio.create_task(reading())
        await asyncio.wait_for(begun.wait(), LIMIT_SECONDS)
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=LIMIT_SECONDS)
        assert task.cancelled()


def test_a_subscription_without_a_type_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one type"):
        Registry().subscribe(group="deployer")


def test_a_group_has_no_end() -> None:
    with pytest.raises(ValueError, match="a group has no end"):
        Registry().subscribe(ModelPromoted, group="deployer", until="now")


async def test_a_finite_read_gives_out_nothing_that_came_after_it_began(registry: Registry) -> None:
    await publish_requests(registry, 3)
    received = []
    async for message in registry.subscribe(PromotionRequested, group=None, until="now"):
        received.append(message)
        await registry.publish(requested(99))
    assert versions(received) == [1, 2, 3]


async def test_a_read_without_a_group_takes_many_records_at_a_time_and_loses_none(registry: Registry) -> None:
    models = [f"model{number}" for number in range(3)]
    await asyncio.gather(
        *[registry.publish(requested(version, model)) for version in range(1, MAX_RECORDS + 2) for model in models]
    )
    received = [message.event async for message in registry.subscribe(PromotionRequested, group=None, until="now")]
    assert {(event.model, event.version) for event in received} == {
        (model, version) for version in range(1, MAX_RECORDS + 2) for model in models
    }
    assert len(received) == 3 * (MAX_RECORDS + 1)
