"""Facts that nobody decided, on every topic of facts: the log, the views and the answers stay what they would be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from modelog.events import PromotionRequested

from stack import Addresses
from tests.e2e import forgery
from tests.e2e.attacks import Stranger, parked
from tests.e2e.cluster import Cluster, new_cluster
from tests.e2e.honest import PROMOTED, Honest
from tests.e2e.invariants import HOLES, ONE_VERDICT, UNNUMBERED, views_equal_a_rebuild
from tests.e2e.watching import records, wait_until_idle

UNKNOWN = ("nobody-1", "nobody-2", "nobody-3")
HEARD = ("model.registered", "model.validated")
"""Topics of facts that services hear."""


@pytest.fixture(scope="module")
async def cluster(stack: Addresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    logs = tmp_path_factory.mktemp("forged")
    async with new_cluster(stack, logs, MODELOG_TOPIC_PARTITIONS="1") as cluster:
        cluster.start("all")
        await cluster.ready("all")
        yield cluster


async def everything(cluster: Cluster) -> dict[str, int]:
    """The number of facts, of streams, and of rows in each view, when all is answered."""
    await wait_until_idle(cluster)
    tables = ("log.event", "log.stream", "registry.version", "registry.model", "registry.serving")
    return {table: (await cluster.rows(f"select count(*) from {table}"))[0][0] for table in tables}


async def test_facts_of_every_kind_about_unknown_models_leave_no_trace(
    cluster: Cluster, attacker: Stranger, pipeline: Honest
) -> None:
    await pipeline.promoted("known")
    before = await everything(cluster)
    places = await attacker.send_all(list(forgery.of_unknown_models(*UNKNOWN)))
    assert await everything(cluster) == before
    found = await parked(cluster)
    assert {place for place in places if place[0] in HEARD} <= set(found)
    assert all("modelog" in reason for reasons in found.values() for reason in reasons)
    for model in UNKNOWN:
        await pipeline.promoted(model)


async def test_facts_under_the_ids_of_coming_facts_use_up_no_answer(
    cluster: Cluster, attacker: Stranger, pipeline: Honest
) -> None:
    forged = list(forgery.with_coming_ids("victim", "/pipelines", "guessed"))
    before = await everything(cluster)
    await attacker.send_all(forged)
    assert await everything(cluster) == before
    await pipeline.trains("victim", id="guessed")
    await attacker.send_all(forged)
    await wait_until_idle(cluster)
    await pipeline.answered("victim")
    assert [fact.get("version") for _, fact in await pipeline.facts("victim")] == [1, 1, 1]


async def test_other_content_at_the_position_of_a_fact_changes_nothing(
    cluster: Cluster, attacker: Stranger, pipeline: Honest
) -> None:
    await pipeline.promoted("copied")
    forged = await forgery.with_real_positions(cluster, "copied")
    before = await everything(cluster)
    await attacker.send_all(forged)
    assert await everything(cluster) == before
    await pipeline.trains("copied", "run-2", metrics={"f1": 0.95})
    await wait_until_idle(cluster)
    await pipeline.answered("copied", *PROMOTED, *PROMOTED)


async def test_the_manifest_of_good_bytes_passes_no_other_files_and_rejects_no_good_version(
    cluster: Cluster, attacker: Stranger, pipeline: Honest
) -> None:
    await pipeline.promoted("remembered")
    real = next(fact for kind, fact in await pipeline.facts("remembered") if kind == "model.registered")
    before = await everything(cluster)
    for version in (1, 2, 3):
        await attacker.send_all(forgery.with_remembered_manifest(real, version))
    assert await everything(cluster) == before
    for version in range(2, 12):
        forged = forgery.with_remembered_manifest(real, version)
        await attacker.send_all(forged)
        await pipeline.trains("remembered", f"run-{version}", metrics={"f1": 0.9 + version / 1000})
        await attacker.send_all(forged)
    await wait_until_idle(cluster)
    kinds = await pipeline.kinds("remembered")
    assert sorted(kinds) == sorted(11 * PROMOTED)


async def test_a_verdict_is_used_once(cluster: Cluster, attacker: Stranger, pipeline: Honest) -> None:
    """Ada goes back to version 1; the verdict on version 2, sent again, promotes nothing."""
    await pipeline.promoted("rolled-back")
    await pipeline.trains("rolled-back", "run-2", metrics={"f1": 0.95})
    await pipeline.answered("rolled-back", *PROMOTED, *PROMOTED)
    await pipeline.registry.publish(PromotionRequested(model="rolled-back", version=1, by="ada"))
    await pipeline.answered("rolled-back", *PROMOTED, *PROMOTED, "model.promoted")
    before = await everything(cluster)
    verdicts = [record for record in await records(cluster, ["model.validated"]) if record.key == b"rolled-back"]
    assert len(verdicts) == 2
    for id in (None, uuid4(), uuid4()):
        await attacker.send_all([forgery.again(record, cluster.prefix, id) for record in verdicts])
    assert await everything(cluster) == before


async def test_after_all_of_that_streams_and_views_are_whole(cluster: Cluster) -> None:
    await wait_until_idle(cluster)
    for problem in (HOLES, UNNUMBERED, ONE_VERDICT):
        assert not await cluster.rows(problem)
    await views_equal_a_rebuild(cluster)
    assert not cluster.bugs()
