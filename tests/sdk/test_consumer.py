"""What our consumer reads beyond aiokafka's, which it leaves as it was."""

from __future__ import annotations

import subprocess
import sys

import pytest
from aiokafka import AIOKafkaConsumer
from modelog import PromotionRequested, Registry
from modelog.envelope import encode

from tests.integration.record_batches import send_with_header_name
from tests.sdk.reading import requested

pytestmark = pytest.mark.integration

SUBSCRIBING = """
import sys
from importlib import import_module
from pkgutil import walk_packages

import aiokafka.admin, aiokafka.consumer, aiokafka.producer, aiokafka.record

def attributes():
    modules = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "aiokafka"}
    owners = [*modules.values(), *(c for m in modules.values() for c in vars(m).values() if isinstance(c, type))]
    return {(owner, name): value for owner in owners for name, value in vars(owner).items() if name[:2] != "__"}

before = attributes()
import modelog
for module in walk_packages(modelog.__path__, "modelog."):
    import_module(module.name)
with modelog.SyncRegistry() as registry:
    print(len(list(registry.subscribe(modelog.PromotionRequested, group=None, until="now"))), "read")
print(len(before) > 1000, [key for key, value in attributes().items() if before.get(key, value) is not value])
"""


async def test_aiokafka_is_the_same_after_everything_was_imported_and_read(
    registry: Registry, env: dict[str, str], prefix: str
) -> None:
    await registry.publish(requested(1))
    environment = {**env, "MODELOG_TOPIC_PREFIX": prefix}
    done = subprocess.run([sys.executable, "-c", SUBSCRIBING], capture_output=True, text=True, env=environment)  # noqa: ASYNC221, PLW1510
    assert done.stdout == "1 read\nTrue []\n", done.stderr


async def test_a_header_name_that_is_not_utf_8_is_read(
    registry: Registry, env: dict[str, str], prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    place = env["MODELOG_KAFKA_SERVERS"], f"{prefix}promotion.requested"
    key, value, headers = encode(requested(1), source="/tests")
    await send_with_header_name(*place, key, value, headers, b"\xff\xfe-name!")
    await send_with_header_name(*place, key, b"{", headers, b"\xff\xfe-name!")
    others = [f"model{number}" for number in range(12)]
    for model in others:
        await registry.publish(requested(7, model))
    received = [message async for message in registry.subscribe(PromotionRequested, group=None, until="now")]
    assert {(message.event.model, message.event.version) for message in received} == {
        ("fraud", 1),
        *((model, 7) for model in others),
    }
    assert caplog.text.count("is skipped") == 1


async def test_another_consumer_of_the_process_reads_as_aiokafka_does(env: dict[str, str], prefix: str) -> None:
    servers, topic = env["MODELOG_KAFKA_SERVERS"], f"{prefix}promotion.requested"
    await send_with_header_name(servers, topic, b"fraud", b"{}", [], b"\xff\xfe-name!")
    async with AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        with pytest.raises(UnicodeDecodeError):
            await consumer.getone()
