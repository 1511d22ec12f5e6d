"""Retraining: a drift report is recorded, and leads to a request for retraining if the policy allows it."""

from modelog.envelope import Message, derive_id
from modelog.events import DriftDetected

from services.retraining.decision import Consider, retraining
from shared.deciding.service import Context, Service

service = Service("retraining", retraining)


@service.on(DriftDetected)
def consider_what_drifted(message: Message[DriftDetected], context: Context) -> Consider:
    return Consider(message.event, derive_id(message.cause, "retraining"), context.policy, context.now)
