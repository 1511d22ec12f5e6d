"""A topic that takes no facts holds up no other; a topic that was made again is filled from the beginning."""

from __future__ import annotations

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from modelog.events import ModelPromoted, ModelRegistered, ModelRetired

from operations.setup import setup
from shared.bus.topics import administration, existing_topics, make_topics
from shared.log import Log
from shared.log.held_topics import read_held
from shared.runtime.runtime import Runtime
from shared.runtime.settings import Settings
from stack.waiting import until
from tests.examples import promoted, registered, retired
from tests.integration.followers import until_reported
from tests.integration.relays import append, delete_topic, positions_of, relaying, until_on_topic, until_published

REGISTERED, PROMOTED, RETIRED = ModelRegistered.type, ModelPromoted.type, ModelRetired.type


@pytest.fixture
async def runtime(settings: Settings, log: Log) -> Runtime:
    await make_topics(settings)
    return Runtime(settings, log.pool, settings.read_policy())


async def configure(runtime: Runtime, kind: str, **values: str) -> None:
    """Give the topic of this kind these settings and no others."""
    topic = runtime.settings.topic_prefix + kind
    named = {name.replace("_", "."): value for name, value in values.items()}
    async with administration(runtime.settings) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, named)])


async def until_held(process: Runtime, kind: str) -> str:
    """Wait until `/readyz` shows that this topic is held, and return the reason."""

    async def held() -> str | None:
        found = process.health.components.get("relay", {})
        return None if found.get("ready") or kind not in str(found.get("why")) else str(found["why"])

    return await until(held, f"{kind} to be held", seconds=20)


async def none_held(runtime: Runtime) -> bool:
    return not await read_held(runtime.pool)


async def test_a_topic_whose_limit_is_too_small_is_named_and_gets_its_facts_in_order_when_it_is_raised(
    runtime: Runtime,
) -> None:
    log, large = Log(runtime.pool), "x" * 50_000
    await configure(runtime, REGISTERED, max_message_bytes="10000")
    await append(log, "fraud", registered(1), promoted(1), registered(2, parameters={"x": large}), promoted(2))
    await append(log, "churn", registered(1), promoted(1), registered(2), retired(1))
    async with relaying(runtime) as own:
        await until_published(runtime, 8)
        why = await until_held(own, REGISTERED)
        assert "MessageSizeTooLarge" in why
        assert sorted(await positions_of(runtime, PROMOTED)) == [2, 4, 6]
        await append(log, "fraud", registered(3), promoted(3))
        await until_on_topic(runtime, RETIRED, [8])
        await until_published(runtime, 10)
        await configure(runtime, REGISTERED, max_message_bytes="1000000")
        await until(lambda: none_held(runtime), "no held topic", seconds=60)
        await until_reported(own, "relay", ready=True, lag=0, why=None)
    found = await positions_of(runtime, REGISTERED)
    for mine in ([1, 3, 9], [5, 7]):
        last = [position for position in found if position in mine][-len(mine) :]
        assert last == mine
    assert sorted(await positions_of(runtime, PROMOTED)) == [2, 4, 6, 10]


async def test_a_topic_that_is_deleted_is_made_again_and_filled_while_the_others_go_on(runtime: Runtime) -> None:
    log = Log(runtime.pool)
    await append(log, "fraud", registered(1), promoted(1), registered(2), promoted(2))
    async with relaying(runtime) as own:
        await until_published(runtime, 4)
        await delete_topic(runtime, PROMOTED)
        await append(log, "fraud", registered(3), promoted(3), registered(4))
        await until_on_topic(runtime, REGISTERED, [1, 3, 5, 7])
        await until_on_topic(runtime, PROMOTED, [2, 4, 6])
        await until_reported(own, "relay", ready=True, lag=0)
        await append(log, "fraud", promoted(4))
        await until_on_topic(runtime, PROMOTED, [2, 4, 6, 8])


async def test_a_topic_that_somebody_made_again_is_filled_before_the_relay_goes_on(runtime: Runtime) -> None:
    log = Log(runtime.pool)
    await append(log, "fraud", registered(1), promoted(1), registered(2), promoted(2))
    async with relaying(runtime):
        await until_published(runtime, 4)
    await delete_topic(runtime, PROMOTED)
    await until(lambda: is_gone(runtime, PROMOTED), "a deleted topic")
    await make_topics(runtime.settings)
    await append(log, "fraud", promoted(1), registered(3))
    async with relaying(runtime):
        await until_on_topic(runtime, PROMOTED, [2, 4, 5])
        await until_on_topic(runtime, REGISTERED, [1, 3, 6])
        await until(lambda: none_held(runtime), "no held topic")


async def is_gone(runtime: Runtime, kind: str) -> bool:
    return runtime.settings.topic_prefix + kind not in await existing_topics(runtime.settings)


async def test_setup_has_the_topics_that_it_makes_again_filled(runtime: Runtime) -> None:
    await append(Log(runtime.pool), "fraud", registered(1), promoted(1))
    async with relaying(runtime):
        await until_published(runtime, 2)
    await delete_topic(runtime, PROMOTED)
    await until(lambda: is_gone(runtime, PROMOTED), "a deleted topic")
    assert f"created topic {runtime.settings.topic_prefix}{PROMOTED}" in await setup(runtime.settings)
    assert await read_held(runtime.pool) == {PROMOTED: 0}
    async with relaying(runtime):
        await until_on_topic(runtime, PROMOTED, [2])
        await until(lambda: none_held(runtime), "no held topic")


async def test_setup_raises_the_limits_of_existing_topics_and_names_what_it_does_not_change(runtime: Runtime) -> None:
    topic = runtime.settings.topic_prefix + REGISTERED
    await setup(runtime.settings)
    assert await setup(runtime.settings) == []
    await configure(
        runtime, REGISTERED, max_message_bytes="1000", retention_ms="5000", cleanup_policy="compact",
        min_insync_replicas="3", segment_bytes="2000000",
    )  # fmt: skip
    await until(lambda: is_configured(runtime, REGISTERED), "the new settings", seconds=20)
    assert set(await setup(runtime.settings)) == {
        f"topic {topic}: raised max.message.bytes from 1000 to 6291456",
        f"topic {topic}: raised retention.ms from 5000 to -1",
        f"topic {topic}: expected cleanup.policy delete, found compact: "
        "Kafka removes events of a model that has newer events; set it to delete",
        f"topic {topic}: expected min.insync.replicas of at most 1, its replicas, found 3: nothing can be written",
    }

    async def raised() -> bool:
        found = await configuration(runtime, REGISTERED)
        names = ("max.message.bytes", "retention.ms", "segment.bytes", "cleanup.policy")
        return [found[name] for name in names] == ["6291456", "-1", "2000000", "compact"]

    await until(raised, "the raised limits, and the other settings as they were", seconds=20)


async def is_configured(runtime: Runtime, kind: str) -> bool:
    """Whether the broker that answers knows the settings of the test."""
    return (await configuration(runtime, kind))["segment.bytes"] == "2000000"


async def configuration(runtime: Runtime, kind: str) -> dict[str, str]:
    """The settings of the topic of this kind."""
    asked = ConfigResource(ConfigResourceType.TOPIC, runtime.settings.topic_prefix + kind)
    async with administration(runtime.settings) as admin:
        (answer,) = await admin.describe_configs([asked])
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}


async def test_a_missing_topic_that_cannot_be_made_is_named_and_holds_up_no_other(runtime: Runtime) -> None:
    log = Log(runtime.pool)
    await append(log, "fraud", registered(1), promoted(1))
    async with relaying(runtime):
        await until_published(runtime, 2)
    await delete_topic(runtime, PROMOTED)
    await until(lambda: is_gone(runtime, PROMOTED), "a deleted topic")
    await append(log, "fraud", promoted(1), registered(2), promoted(2))
    no_broker_has_so_many = runtime.settings.model_copy(update={"topic_replicas": 3})
    unable = Runtime(no_broker_has_so_many, runtime.pool, runtime.policy)
    async with relaying(unable) as own:
        await until_on_topic(runtime, REGISTERED, [1, 4])

        async def reason() -> str:
            found = await until_held(own, PROMOTED)
            return "" if "is being made" in found else found

        assert "could not be made: InvalidReplicationFactor" in await until(reason, "why the topic is missing")
        await make_topics(runtime.settings)
        await until_on_topic(runtime, PROMOTED, [2, 3, 5])
        await until_reported(own, "relay", ready=True, lag=0, why=None)
