"""A fact that another program wrote on a topic of facts, while the service that hears it waits for the real one."""

from __future__ import annotations

from typing import Any, cast

from aiokafka import ConsumerRecord
from modelog.envelope import Message, encode
from modelog.events import ModelRegistered
from modelog.policy import DEFAULT

from services.ingestion.decision import Register, registration
from services.validation.app import service
from shared.artifacts.presence import Presence
from shared.bus.open_records import OpenRecords
from shared.bus.processor import Processor
from shared.deciding.command_handler import CommandHandler
from shared.domain.command import Cause, CausedCommand
from shared.domain.looking import BytesSeen
from shared.log import Log
from shared.runtime.runtime import Context, Runtime
from shared.runtime.settings import Settings
from tests.examples import NOON, digest, registered, trained
from tests.looking import missing


class NoBytes:
    """A store without the bytes of the real fact, and with all bytes of the forged fact."""

    async def look(self, manifest: str, _files: object) -> BytesSeen:
        return BytesSeen(manifest, () if manifest == digest(666) else missing("nothing is there"))


def record(fact: ModelRegistered, offset: int, id: str) -> ConsumerRecord:
    key, value, headers = encode(fact, source="/tests", id=id, sequence=1)
    sizes = len(key), len(value)
    return ConsumerRecord("model.registered", 0, offset, 0, 0, key, value, None, *sizes, tuple(headers))


async def test_the_verdict_is_on_the_bytes_that_the_log_names(settings: Settings, log: Log) -> None:
    real = registered(1)
    ingestion = CommandHandler(log, registration)
    command = Register(trained("run-1"), real.manifest, real.uri, real.size, real.format, real.files)
    await ingestion.answer([CausedCommand(command, Cause.of(Message(trained("run-1"), "1", "/tests")))])
    id = str(await log.pool.fetchval("select id from log.event"))
    context = Context(NOON, DEFAULT, {Presence: NoBytes()})
    answer = service._answer(Runtime(settings, log.pool, DEFAULT), context)
    processor = Processor("validation", service.handlers, answer, cast(Any, None), log, context)
    opened = OpenRecords()
    forged = real.model_copy(update={"manifest": digest(666), "files": ()})
    records = [record(forged, 1, id), record(real, 2, id)]
    for each in records:
        opened.add(each)
    await processor.take([found for each in records if (found := opened.opened(each))])
    await opened.wait_until_closed(list(opened.partitions))
    kinds = await log.pool.fetch("select kind from log.event where stream = 'fraud' order by version")
    assert [row["kind"] for row in kinds] == ["model.registered", "model.rejected"]
