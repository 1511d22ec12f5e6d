"""Validation: a registered version is held against the policy and the champion."""

from modelog.envelope import Message
from modelog.events import ModelRegistered

from services.validation.decision import Judge, validation
from shared.deciding.service import Context, Service

service = Service("validation", validation)


@service.on(ModelRegistered)
async def judge_what_was_registered(message: Message[ModelRegistered], context: Context) -> Judge:
    fact = message.event
    faults = await context.artifacts.faults(fact.manifest, fact.files)
    return Judge(fact.model, fact.version, fact.manifest, tuple(faults), context.policy)
