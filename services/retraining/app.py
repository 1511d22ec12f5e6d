"""Retraining: a drift report is recorded, and asks for training anew when the policy says so."""

from modelog.envelope import Message, named
from modelog.events import DriftDetected

from services.retraining.decision import Consider, retraining
from shared.service import Context, Service

service = Service("retraining", retraining)


@service.on(DriftDetected)
def consider_what_drifted(message: Message[DriftDetected], context: Context) -> Consider:
    return Consider(message.event, named(message.cause, "retraining"), context.policy, context.now)
