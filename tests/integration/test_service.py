"""A service with several deciders, on the real log."""

from __future__ import annotations

from modelog.policy import DEFAULT

from services.ingestion.decision import registration
from services.validation.decision import Judge, validation
from shared.deciding.service import Service
from shared.domain.looking import BytesSeen
from shared.log import Log
from shared.runtime.runtime import Runtime
from shared.runtime.settings import Settings
from tests.examples import digest
from tests.integration.test_command_handler import ask, register

ANSWERED = "select kind, meta ->> 'source' from log.event order by position"


async def test_each_command_is_answered_by_the_decider_of_its_type(settings: Settings, log: Log) -> None:
    service = Service("registry", registration, validation)
    runtime = Runtime(settings, log.pool, DEFAULT)
    answer = service._answer(runtime, service._context(runtime))
    await answer([register("a"), ask("judge", Judge("fraud", 1, BytesSeen(digest(1)), DEFAULT))])
    assert [tuple(row) for row in await log.pool.fetch(ANSWERED)] == [
        ("model.registered", "/modelog/ingestion"),
        ("model.validated", "/modelog/validation"),
    ]
    assert service.answers == (*registration.answers, *validation.answers)
