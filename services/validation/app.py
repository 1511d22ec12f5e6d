"""Validation: a registered version is compared with the policy and with the version in production."""

from modelog.envelope import Message
from modelog.events import ModelRegistered

from services.validation.decision import Judge, validation
from shared.artifacts.presence import Presence
from shared.deciding.service import Context, Service

service = Service("validation", validation, needs=(Presence,))


@service.on(ModelRegistered)
async def judge_what_was_registered(message: Message[ModelRegistered], context: Context) -> Judge:
    fact = message.event
    seen = await context.resource(Presence).look(fact.manifest, fact.files)
    return Judge(fact.model, fact.version, seen, context.policy)
