"""A cause is answered once, by what the log has of it: other content with the same cause is a conflict."""

import json
from typing import Any

import pytest
from modelog.envelope import Message, derive_id
from modelog.events import Event

from services.ingestion.decision import Refuse, Register, registration
from shared.deciding.command_handler import Answered, CommandHandler
from shared.domain.command import Cause, CausedCommand
from shared.log import Append, Entry, Log
from tests.examples import digest, registered, trained, uri
from tests.integration.test_command_handler import logged, register


def report(run: str, id: str = "id", model: str = "fraud") -> CausedCommand[Any]:
    """A run that is reported by the message with this id: the id is not the run's, as that of a careless sender."""
    event = trained(run).model_copy(update={"model": model})
    return CausedCommand(Register(event, digest(1), uri(1), 3, "pickle", ()), Cause.of(Message(event, id, "/test")))


async def kinds(log: Log) -> list[str]:
    return [kind for _, kind, _ in await logged(log)]


async def metas(log: Log) -> list[dict[str, Any]]:
    rows = await log.pool.fetch("select meta from log.event order by position")
    return [json.loads(meta) for (meta,) in rows]


async def test_a_fact_has_an_id_of_its_cause_its_decider_its_model_and_its_step(log: Log) -> None:
    commands = [report("a"), report("a", model="churn")]
    await CommandHandler(log, registration).answer(commands)
    ids = await log.pool.fetch("select id from log.event order by position")
    assert len(set(ids)) == 2, "one id was used for two models"
    assert ids[1][0] == derive_id(commands[1].cause.id, "ingestion/churn/0")


async def test_a_message_that_an_older_process_answered_is_not_answered_again(log: Log) -> None:
    """Its facts have ids without the model, and no digest: their content counts as equal."""
    again = report("a")
    meta = {"source": "/modelog/ingestion", "cause": str(again.cause.id), "schema": 2}
    data = registered(1).model_copy(update={"run": "other"}).model_dump_json()
    old = Entry("model.registered", derive_id(again.cause.id, "ingestion/0"), data, json.dumps(meta))
    await log.append([Append("fraud", 0, [old])])
    assert await CommandHandler(log, registration).answer([again]) == Answered()


async def test_a_fact_keeps_the_digest_of_the_content_that_it_answers(log: Log) -> None:
    command = report("a")
    await CommandHandler(log, registration).answer([command])
    [meta] = await metas(log)
    assert (meta["schema"], meta["digest"]) == (3, command.cause.digest)


@pytest.mark.parametrize("warm", [True, False])
async def test_other_content_with_an_id_that_was_answered_is_a_conflict_and_is_answered_once(
    log: Log, warm: bool
) -> None:
    handler = CommandHandler(log, registration)
    for command in (report("a"), report("b"), report("b"), report("a"), report("b"), report("c")):
        handler = handler if warm else CommandHandler(log, registration)
        await handler.answer([command])
    assert await kinds(log) == ["model.registered", "message.conflicted", "message.conflicted"]
    assert [meta["cause"] for meta in await metas(log)][1:] == [
        str(derive_id(report(run).cause.id, report(run).cause.digest or "")) for run in "bc"
    ]


async def test_of_two_contents_in_one_batch_the_first_is_answered_and_the_second_is_a_conflict(log: Log) -> None:
    for _ in range(2):
        await CommandHandler(log, registration).answer([report("a"), report("b"), report("a"), report("b")])
    assert await kinds(log) == ["model.registered", "message.conflicted"]


async def test_a_conflict_names_the_message_and_what_to_do(log: Log) -> None:
    await CommandHandler(log, registration).answer([report("a", "2026-03-02"), report("b", "2026-03-02")])
    data = json.loads(await log.pool.fetchval("select data from log.event where kind = 'message.conflicted'"))
    named = (data["model"], data["message_type"], data["message_source"], data["message_id"])
    assert named == ("fraud", "model.trained", "/test", "2026-03-02")
    assert "'2026-03-02' was answered before" in data["sentence"]
    assert "send it under another id" in data["sentence"]


async def test_a_conflict_is_answered_whatever_the_decider_would_answer(log: Log) -> None:
    """The second content is of a run that is registered already, to which the decider would return no facts."""
    handler = CommandHandler(log, registration)
    await handler.answer([report("a"), report("b", "other")])
    await handler.answer([report("b")])
    assert (await kinds(log))[-1] == "message.conflicted"


async def test_one_id_may_be_used_for_several_models_and_by_several_sources(log: Log) -> None:
    event: Event = trained("b")
    other = CausedCommand(report("b").command, Cause.of(Message(event, "id", "/other")))
    await CommandHandler(log, registration).answer([report("a"), report("b", model="churn"), other])
    assert await log.pool.fetchval("select count(*) from log.event where kind = 'model.registered'") == 3


async def test_what_was_answered_with_no_facts_leaves_no_trace(log: Log) -> None:
    handler = CommandHandler(log, registration)
    await handler.answer([register("a")])
    await handler.answer([report("a")])
    refusal = Refuse(trained("b"), ("missing object",), "there is no object")
    await handler.answer([CausedCommand(refusal, report("b").cause)])
    assert await kinds(log) == ["model.registered", "registration.refused"]
