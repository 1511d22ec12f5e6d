"""Retraining: a drift report is recorded, and asks for training anew when the policy says so."""

from uuid import uuid5

from modelog.envelope import Message
from modelog.events import DriftDetected

from services.retraining.decision import Consider, retraining
from shared.service import Context, Service

service = Service("retraining", retraining)


@service.on(DriftDetected)
def consider_what_drifted(message: Message[DriftDetected], context: Context) -> Consider:
    return Consider(message.event, uuid5(message.cause, "retraining"), context.policy, context.now)
