"""Retirement: a version that serves nowhere may be taken out of use."""

from modelog.envelope import Message
from modelog.events import RetirementRequested

from services.retirement.decision import Retire, retirement
from shared.deciding.service import Context, Service

service = Service("retirement", retirement)


@service.on(RetirementRequested)
def retire_what_is_wished(message: Message[RetirementRequested], context: Context) -> Retire:
    wish = message.event
    return Retire(wish.model, wish.version, wish.by, wish.reason)
