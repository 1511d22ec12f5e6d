"""Answering on the real log: each message once, whoever else writes, however often it comes."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from modelog.envelope import Message
from modelog.events import Event
from modelog.policy import DEFAULT

from services.ingestion.decision import Register, registration
from services.promotion.decision import Promote, promotion
from services.validation.decision import Judge, validation
from shared.deciding.command_handler import Answered, CommandHandler
from shared.domain.command import Cause, CausedCommand
from shared.domain.looking import BytesSeen
from shared.log import Append, Head, Log
from shared.runtime.stream_locks import StreamLocks
from tests.examples import digest, trained, uri
from tests.looking import answer_all


def message(id: str, event: Event | None = None) -> Message[Event]:
    return Message(event or trained(), id, "/test")


def ask(id: str, command: Any) -> CausedCommand[Any]:
    return CausedCommand(command, Cause.of(message(id)))


def register(run: str, model: str = "fraud") -> CausedCommand[Any]:
    report = trained(run).model_copy(update={"model": model})
    return ask(run, Register(report, digest(1), uri(1), 3, "pickle", ()))


async def logged(log: Log, model: str = "fraud") -> Sequence[tuple[int, str, int]]:
    rows = await log.pool.fetch(
        "select version, kind, (data ->> 'version')::int as number from log.event where stream = $1 order by version",
        model,
    )
    return [tuple(row) for row in rows]


async def test_a_batch_is_answered_in_order_and_in_one_append(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    appends, append_all = list[list[str]](), log.append

    async def recorded(batch: Sequence[Append]) -> dict[str, Head]:
        appends.append([append.stream for append in batch])
        return await append_all(batch)

    monkeypatch.setattr(log, "append", recorded)
    ingestion = CommandHandler(log, registration)
    heads = (await ingestion.answer([register("a"), register("b"), register("a", "churn")])).heads
    assert {stream: head.version for stream, head in heads.items()} == {"fraud": 2, "churn": 1}
    assert appends == [["fraud", "churn"]]
    assert await logged(log) == [(1, "model.registered", 1), (2, "model.registered", 2)]


async def test_no_command_costs_no_query(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = list[object]()
    monkeypatch.setattr(log, "catch_up", queries.append)
    assert await CommandHandler(log, registration).answer([]) == Answered()
    assert queries == []


async def test_the_same_message_again_changes_nothing(log: Log) -> None:
    warm = CommandHandler(log, registration)
    await warm.answer([register("a"), register("a")])
    await warm.answer([register("a")])
    cold = CommandHandler(log, registration)
    assert await cold.answer([register("a")]) == Answered()
    assert len(await logged(log)) == 1


async def test_a_message_that_was_refused_is_not_refused_again(log: Log) -> None:
    promote = ask("request", Promote("fraud", 7, "production", "ada", "", DEFAULT))
    for _ in range(2):
        await CommandHandler(log, promotion).answer([promote])
    assert await logged(log) == [(1, "promotion.refused", 7)]


async def test_two_services_may_answer_the_same_message(log: Log) -> None:
    cause = register("a").cause
    for name in ("ingestion", "other"):
        service = CommandHandler(log, replace(registration, name=name))
        await service.answer([CausedCommand(register(name).command, cause)])
    assert len(await logged(log)) == 2


async def test_a_service_decides_on_facts_that_others_appended_meanwhile(log: Log) -> None:
    ingestion = CommandHandler(log, registration)
    judging = CommandHandler(log, validation)
    promoting = CommandHandler(log, promotion)
    for number in (1, 2):
        await ingestion.answer([register(f"run-{number}")])
        await judging.answer([ask(f"registered-{number}", Judge("fraud", number, BytesSeen(digest(1)), DEFAULT))])
        promote = Promote("fraud", number, "production", "policy", "", DEFAULT)
        await answer_all(promoting, [ask(f"validated-{number}", promote)])
    kinds = ["model.registered", "model.validated", "model.promoted"]
    assert [kind for _, kind, _ in await logged(log)] == kinds * 2
    replaced = await log.pool.fetchval("select data ->> 'replaces' from log.event where position = 6")
    assert replaced == "1"


async def test_a_verdict_promotes_once_whatever_was_promoted_since(log: Log) -> None:
    ingestion, judging, promoting = (CommandHandler[Any, Any](log, d) for d in (registration, validation, promotion))

    def by_policy(version: int) -> CausedCommand[Any]:
        command = Promote("fraud", version, "production", "policy", "", DEFAULT, automatic=True)
        return ask(f"verdict on {version}", command)

    for version in (1, 2):
        await ingestion.answer([register(f"run-{version}")])
        await judging.answer([ask(f"registered-{version}", Judge("fraud", version, BytesSeen(digest(1)), DEFAULT))])
        await answer_all(promoting, [by_policy(version)])
    await answer_all(promoting, [ask("rollback", Promote("fraud", 1, "production", "ada", "2 is slow", DEFAULT))])
    before = await logged(log)
    assert before[-1][1:] == ("model.promoted", 1)
    for handler in (promoting, CommandHandler(log, promotion)):
        assert await handler.answer([by_policy(2), by_policy(1)]) == Answered()
    assert await logged(log) == before


async def test_many_writers_of_one_stream_lose_and_double_nothing(log: Log) -> None:
    writers = [CommandHandler(log, registration) for _ in range(6)]
    runs = [f"run-{number}" for number in range(60)]

    async def answer(writer: CommandHandler[Any, Any], turn: int) -> None:
        for run in runs[turn:] + runs[:turn]:
            await writer.answer([register(run)])

    await asyncio.gather(*(answer(writer, 10 * turn) for turn, writer in enumerate(writers)))
    assert [row[2] for row in await logged(log)] == list(range(1, 61))


async def test_a_lost_acknowledgement_is_recognised(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    ingestion = CommandHandler(log, registration)
    append = log.append

    async def append_without_answer(appends: Any) -> Any:
        await append(appends)
        raise ConnectionError("the answer was lost")

    monkeypatch.setattr(log, "append", append_without_answer)
    with pytest.raises(ConnectionError):
        await ingestion.answer([register("a")])
    monkeypatch.setattr(log, "append", append)
    await ingestion.answer([register("a")])
    assert len(await logged(log)) == 1


async def test_what_is_kept_in_memory_is_what_is_in_the_log(log: Log) -> None:
    warm = CommandHandler(log, registration, max_bytes=20_000)
    for number in range(20):
        await warm.answer([register(f"run-{number}", f"model-{number % 3}")])
    cold = CommandHandler(log, registration)
    for model in ("model-0", "model-1", "model-2"):
        await cold.answer([register("run-0", model)])
        await warm.answer([register("run-0", model)])
        assert cold.histories.get(model) == warm.histories.get(model)


async def test_histories_take_as_many_bytes_as_they_may_and_no_more(log: Log) -> None:
    small = CommandHandler(log, registration, max_bytes=30_000)
    for number in range(20):
        await small.answer([register("run", f"model-{number}")])
    sizes = [history.nbytes for n in range(20) if (history := small.histories.get(f"model-{n}"))]
    assert 0 < len(sizes) == len(small.histories) < 20
    assert 20_000 < sum(sizes) <= 30_000
    assert small.histories.get("model-19"), "those used last are kept"


async def test_services_of_one_process_take_turns_at_a_model(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    written, append = [], log.append

    async def recorded(appends: Sequence[Append]) -> dict[str, Head]:
        heads = await append(appends)
        written.append((len(appends), len(heads)))
        return heads

    monkeypatch.setattr(log, "append", recorded)
    locks = StreamLocks()
    services = [CommandHandler(log, replace(registration, name=f"service-{n}"), locks) for n in range(4)]
    models = ("fraud", "churn", "spam")
    batches = [
        service.answer([register(f"run-{n} of {service.decider.source}", model) for model in models])
        for n in range(10)
        for service in services
    ]
    await asyncio.gather(*batches)
    assert await log.pool.fetchval("select sum(version) from log.stream") == len(batches) * len(models)
    assert [accepted for asked, accepted in written if accepted < asked] == []
