"""Promotion: a version that was validated, or whose promotion is requested, serves a stage.

Its bytes are looked at before: they may be gone since it was validated, years ago where it is a rollback.
"""

from dataclasses import replace

from modelog.envelope import Message
from modelog.events import ModelValidated, PromotionRequested

from services.promotion.decision import Promote, promotion
from shared.artifacts.presence import Presence
from shared.deciding.service import Context, Service
from shared.domain.looking import LookFirst

service = Service("promotion", promotion, needs=(Presence,))


@service.on(ModelValidated)
def promote_what_passed(message: Message[ModelValidated], context: Context) -> Promote:
    fact, policy = message.event, context.policy
    stage, reason = policy.promote_to or policy.champion_stage, f"every check of policy {policy.digest} passed"
    return Promote(fact.model, fact.version, stage, "policy", reason, policy, automatic=True)


@service.on(PromotionRequested)
def promote_what_is_requested(message: Message[PromotionRequested], context: Context) -> Promote:
    request = message.event
    return Promote(request.model, request.version, request.stage, request.by, request.reason, context.policy)


def seen_lately(command: Promote, look: LookFirst, context: Context) -> Promote | None:
    seen = context.resource(Presence).known(look.manifest)
    return replace(command, seen=seen) if seen else None


@service.looks(seen_lately)
async def look_at_its_bytes(command: Promote, look: LookFirst, context: Context) -> Promote:
    return replace(command, seen=await context.resource(Presence).look(look.manifest))
