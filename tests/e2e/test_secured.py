"""The whole loop on a Kafka with TLS, SCRAM and ACLs: every process has its login from the same variables."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)
from modelog import Registry
from modelog.errors import AccessDenied, NotPublished
from modelog.events import DriftDetected, ModelPromoted, RetirementRequested
from modelog.kafka_settings import kafka_arguments

from operations.acls import acls, allow
from shared.runtime.settings import Settings
from stack import Servers
from stack.account import temporary_folder
from stack.daemon import without_postgres
from stack.secured_kafka import SecuredKafka, User, login
from stack.servers import erase
from stack.waiting import until
from tests.e2e.cluster import Cluster, new_cluster
from tests.e2e.honest import PROMOTED, Honest, honest
from tests.e2e.process import ServiceProcess

Variables = Mapping[str, str]
ROOT = Path(__file__).parents[2]
DRIFT = DriftDetected(model="drifting", version=1, detector="psi", score=0.9, threshold=0.1, drifted=True)


@pytest.fixture(scope="module")
def kafka() -> Iterator[SecuredKafka]:
    folder = temporary_folder()
    kafka = SecuredKafka(folder / "kafka", erase=True)
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.kill()
        erase(folder)


@pytest.fixture(scope="module")
async def cluster(
    servers: Servers, kafka: SecuredKafka, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cluster]:
    addresses = replace(servers.addresses, kafka=kafka.address, kafka_security=kafka.security())
    async with new_cluster(addresses, tmp_path_factory.mktemp("secured"), set_up=False) as cluster:
        admin = Settings.from_variables(cluster.env | login(kafka.home, "admin"))
        await allow(admin, acls(cluster.prefix, "services", ["clients"]))
        await cluster.sandbox.set_up()
        cluster.start("all")
        await cluster.ready("all")
        yield cluster


@pytest.fixture(scope="module")
def clients(cluster: Cluster, kafka: SecuredKafka) -> dict[str, str]:
    """The variables of a pipeline or a deployer."""
    return without_postgres(cluster.env) | login(kafka.home, "clients")


@pytest.fixture(scope="module")
async def pipeline(
    cluster: Cluster, clients: Variables, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Honest]:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in clients.items():
            environment.setenv(name, value)
        registry = Registry(source="/pipelines")
    async with honest(cluster, tmp_path_factory.mktemp("files"), registry) as pipeline:
        yield pipeline


async def test_a_run_is_promoted_and_the_deployer_reads_it(cluster: Cluster, pipeline: Honest) -> None:
    await pipeline.promoted("fraud")
    group = "clients-deployer"
    async with pipeline.registry.subscribe(ModelPromoted, group=group, since="earliest") as promotions:
        async for message in promotions:
            if message.event.model == "fraud":
                break
    assert message.event.version == 1


async def test_drift_asks_for_a_retraining(pipeline: Honest) -> None:
    await pipeline.promoted("drifting")
    await pipeline.registry.publish(DRIFT)
    await pipeline.answered("drifting", *PROMOTED, "drift.recorded", "retraining.requested")


async def test_a_version_that_was_replaced_is_retired(pipeline: Honest) -> None:
    await pipeline.promoted("old")
    await pipeline.trains("old", "run-2")
    await pipeline.answered("old", *PROMOTED, *PROMOTED)
    await pipeline.registry.publish(RetirementRequested(model="old", version=1, by="ada"))
    await pipeline.answered("old", *PROMOTED, *PROMOTED, "model.retired")


async def test_what_nobody_can_read_is_parked(cluster: Cluster, clients: Variables) -> None:
    async with AIOKafkaProducer(**kafka_arguments(clients)) as producer:
        await producer.send_and_wait(f"{cluster.prefix}model.trained", b"junk", key=b"fraud")

    async def listed() -> bool:
        return "'junk'" in (await asyncio.to_thread(operations, cluster.env, "parked")).stdout

    await until(listed, "the record in the list of parked records", seconds=60, every=1)


@pytest.mark.parametrize("topic", ["model.promoted", "parked"])
async def test_a_client_publishes_no_facts(cluster: Cluster, clients: Variables, topic: str) -> None:
    async with AIOKafkaProducer(**kafka_arguments(clients)) as producer:
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait(cluster.prefix + topic, b"{}", key=b"fraud")


async def test_a_client_joins_no_group_of_the_services(cluster: Cluster, clients: Variables) -> None:
    topic, group = f"{cluster.prefix}model.promoted", f"{cluster.prefix}ingestion"
    consumer = AIOKafkaConsumer(topic, **kafka_arguments(clients), group_id=group)
    try:
        with pytest.raises(GroupAuthorizationFailedError):
            await consumer.start()
    finally:
        await consumer.stop()


async def test_a_client_has_no_rights_in_another_registry(clients: Variables) -> None:
    async with AIOKafkaProducer(**kafka_arguments(clients)) as producer:
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait("model.trained", b"{}", key=b"fraud")


async def test_the_services_give_no_rights(cluster: Cluster) -> None:
    with pytest.raises(ClusterAuthorizationFailedError):
        await allow(cluster.settings, acls("", "services", []))


@pytest.mark.parametrize("user", ["services", "clients"])
async def test_no_user_deletes_topics(cluster: Cluster, kafka: SecuredKafka, user: User) -> None:
    arguments = kafka_arguments(cluster.env | login(kafka.home, user))
    admin = AIOKafkaAdminClient(**arguments)
    await admin.start()
    try:
        answer = await admin.delete_topics([f"{cluster.prefix}model.promoted"])
        assert [code for _, code in answer.topic_error_codes] == [TopicAuthorizationFailedError.errno]
    finally:
        await admin.close()


WRONG = {
    "password": {"MODELOG_KAFKA_PASSWORD": "hush-hush"},
    "user": {"MODELOG_KAFKA_USERNAME": "hush-hush"},
    "authority": {"MODELOG_KAFKA_CA_FILE": ""},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_login_ends_an_operation_with_a_sentence(cluster: Cluster, wrong: str) -> None:
    ended = operations(cluster.env | WRONG[wrong], "parked")
    assert ended.returncode == 1
    (sentence,) = ended.stderr.splitlines()
    assert "MODELOG_KAFKA" in sentence
    assert WRONG[wrong].get("MODELOG_KAFKA_PASSWORD", "?") not in sentence


async def test_a_service_with_a_wrong_login_is_not_ready_and_names_it(cluster: Cluster) -> None:
    env = os.environ | cluster.env | WRONG["password"]
    process = ServiceProcess([sys.executable, "-m", "services", "promotion"], env, cluster.logs / "wrong.log")
    try:

        async def named() -> bool:
            return "MODELOG_KAFKA" in str(await asyncio.to_thread(process.components))

        await until(named, f"a reason that names the variables ({process.log})", seconds=60)
        assert not await asyncio.to_thread(process.is_ready)
    finally:
        await asyncio.to_thread(process.kill)
    assert "hush-hush" not in process.log.read_text()


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_login_of_the_sdk_is_an_error_with_a_sentence(
    clients: Variables, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**clients, **WRONG[wrong]}.items():
        monkeypatch.setenv(name, value)
    async with Registry() as registry:
        with pytest.raises((AccessDenied, NotPublished), match="MODELOG_KAFKA"):
            await registry.publish(DRIFT)


def operations(env: Mapping[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return run(env, "operations", *command)


def run(env: Mapping[str, str], *module: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *module]
    own = {name: value for name, value in os.environ.items() if not name.startswith("MODELOG_")}
    return subprocess.run(
        command, env=own | dict(env), cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
