"""Promotion: a validated version, or one that somebody wishes for, comes to serve a stage."""

from modelog.envelope import Message
from modelog.events import ModelValidated, PromotionRequested

from services.promotion.decision import Promote, promotion
from shared.deciding.service import Context, Service

service = Service("promotion", promotion)


@service.on(ModelValidated)
def promote_what_passed(message: Message[ModelValidated], context: Context) -> Promote:
    fact, policy = message.event, context.policy
    stage, reason = policy.promote_to or policy.champion_stage, f"every check of policy {policy.digest} passed"
    return Promote(fact.model, fact.version, stage, "policy", reason, policy, automatic=True)


@service.on(PromotionRequested)
def promote_what_is_wished(message: Message[PromotionRequested], context: Context) -> Promote:
    wish = message.event
    return Promote(wish.model, wish.version, wish.stage, wish.by, wish.reason, context.policy)
