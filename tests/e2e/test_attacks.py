"""Bad records among good ones: each ends in `parked` once, or in a refusal, and no honest run waits or is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from modelog.envelope import encode
from modelog.events import DriftDetected, ModelTrained

from stack import Addresses
from stack.waiting import until
from tests.e2e.attacks import MIB, Place, Stranger, envelope, parked
from tests.e2e.cluster import Cluster, new_cluster
from tests.e2e.honest import Honest
from tests.e2e.watching import wait_until_idle

JUNK_RECORDS = 3_000
BOMB_MIB = 300
MAX_BYTES = 450 * MIB
"""Of resident memory of a process with every service, at any time; alone it needs about 170 MiB."""


@pytest.fixture(scope="module")
async def cluster(stack: Addresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Every service in a process, and one partition: a record that blocks it blocks all records behind it."""
    logs = tmp_path_factory.mktemp("attacks")
    async with new_cluster(stack, logs, MODELOG_TOPIC_PARTITIONS="1") as cluster:
        cluster.start("all")
        await cluster.ready("all")
        yield cluster


async def wait_for_parked(cluster: Cluster, *places: Place) -> dict[Place, list[str]]:
    """Wait until these are parked and all is answered, and return what is parked."""

    async def all_there() -> bool:
        return set(places) <= set(await parked(cluster))

    await until(all_there, f"{len(places)} parked records ({cluster.logs})", seconds=90, every=0.2)
    await wait_until_idle(cluster)
    return await parked(cluster)


async def test_thousands_of_bytes_that_are_no_events_are_parked_once_each_and_delay_nobody(
    cluster: Cluster, attacker: Stranger, pipeline: Honest
) -> None:
    junk = await attacker.junk(JUNK_RECORDS)
    await pipeline.promoted("beside-junk")
    found = await wait_for_parked(cluster, *junk)
    assert all(len(found[place]) == 1 for place in junk)
    assert len(found) == len(junk)
    assert not cluster.bugs()


async def test_a_bomb_is_parked_with_its_reason_and_never_unpacked(
    cluster: Cluster, attacker: Stranger, pipeline: Honest
) -> None:
    bomb = await attacker.bomb(BOMB_MIB)
    await pipeline.promoted("beside-a-bomb")
    (why,) = (await wait_for_parked(cluster, bomb))[bomb]
    assert "bytes" in why
    assert cluster.memory()["all"] < MAX_BYTES


async def test_deep_json_is_parked_and_a_deep_path_is_refused(
    cluster: Cluster, attacker: Stranger, pipeline: Honest
) -> None:
    deep = await attacker.deep_json("deep-json")
    path = await attacker.deep_paths("deep-path")
    await pipeline.promoted("beside-depth")
    found = await wait_for_parked(cluster, deep)
    assert len(found[deep]) == 1
    if path not in found:
        await pipeline.answered("deep-path", "registration.refused")
    await pipeline.promoted("deep-json")
    assert not cluster.bugs()


async def test_the_deepest_parameters_that_are_read_do_not_stop_their_model(
    cluster: Cluster, attacker: Stranger, pipeline: Honest
) -> None:
    """Histories keep parameters inside of more JSON: what is read must be shallow enough to be written again."""
    model = "as-deep-as-possible"
    for depth in range(150, 205):
        run = pipeline.run(model, f"depth-{depth}").model_dump_json().encode()
        value = run.replace(b'"parameters":{}', b'"parameters":{"a":' + b"[" * depth + b"]" * depth + b"}")
        assert value != run
        await attacker.send("model.trained", value, model.encode(), envelope("model.trained", model))
    for n in range(40):
        await pipeline.trains(model, f"run-{n}")
    await wait_until_idle(cluster)
    registered = [fact for kind, fact in await pipeline.facts(model) if kind == "model.registered"]
    assert [fact["run"] for fact in registered][-40:] == [f"run-{n}" for n in range(40)]
    drifted = DriftDetected(model=model, version=1, detector="ks", score=0.4, threshold=0.1, drifted=True)
    await pipeline.registry.publish(drifted)
    await wait_until_idle(cluster)
    assert (await pipeline.kinds(model)).count("drift.recorded") == 1
    assert not cluster.bugs()


def record(event: ModelTrained, id: str, source: str = "/stranger") -> tuple[str, bytes, bytes, Any]:
    key, value, headers = encode(event, id=id, source=source)
    return event.type, value, key, headers


async def test_other_content_under_an_id_that_was_answered_is_a_conflict_once(
    cluster: Cluster, attacker: Stranger, pipeline: Honest
) -> None:
    await pipeline.trains("stolen", id="stolen-id")
    await pipeline.answered("stolen")
    other = pipeline.run("stolen", "another-run", metrics={"f1": 1.0})
    await attacker.send_all([record(other, "stolen-id", "/pipelines")] * 3)
    await wait_until_idle(cluster)
    await pipeline.answered("stolen", "model.registered", "model.validated", "model.promoted", "message.conflicted")


async def test_the_same_id_for_another_model_is_another_message(
    cluster: Cluster, attacker: Stranger, pipeline: Honest
) -> None:
    for model in ("same-id-1", "same-id-2"):
        await pipeline.trains(model, id="same-id")
    for model in ("same-id-1", "same-id-2"):
        await pipeline.answered(model)
    assert not await cluster.rows("select id from log.event group by id having count(*) > 1")


async def test_a_source_with_a_number_sign_is_no_other_source(
    cluster: Cluster, attacker: Stranger, pipeline: Honest
) -> None:
    await attacker.send_all(
        [
            record(pipeline.run("number-sign", "run-1"), "c", "a#b"),
            record(pipeline.run("number-sign", "run-2", metrics={"f1": 0.99}), "b#c", "a"),
        ]
    )
    await wait_until_idle(cluster)
    kinds = await pipeline.kinds("number-sign")
    assert kinds.count("model.registered") == 2
    assert "message.conflicted" not in kinds


async def test_a_record_that_its_producer_took_back_is_not_answered(
    cluster: Cluster, attacker: Stranger, pipeline: Honest
) -> None:
    topic, value, key, headers = record(pipeline.run("taken-back"), "taken-back")
    await attacker.aborted(topic, value, key, headers)
    await pipeline.promoted("beside-taken-back")
    await wait_until_idle(cluster)
    assert await pipeline.kinds("taken-back") == []
