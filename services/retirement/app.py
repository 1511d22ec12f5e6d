"""Retirement: a version that serves no stage may be retired."""

from modelog.envelope import Message
from modelog.events import RetirementRequested

from services.retirement.decision import Retire, retirement
from shared.deciding.service import Context, Service

service = Service("retirement", retirement)


@service.on(RetirementRequested)
def retire_what_is_requested(message: Message[RetirementRequested], context: Context) -> Retire:
    request = message.event
    return Retire(request.model, request.version, request.by, request.reason)
