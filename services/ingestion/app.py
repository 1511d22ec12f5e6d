"""Ingestion: a run that was trained becomes a version, its bytes pinned."""

from modelog.envelope import Message
from modelog.events import ModelTrained

from services.ingestion.decision import Refuse, Register, registration
from services.ingestion.formats import format_of
from shared.pinning import Unpinnable
from shared.service import Context, Service

service = Service("ingestion", registration)


@service.on(ModelTrained)
async def register_what_was_trained(message: Message[ModelTrained], context: Context) -> Register | Refuse:
    trained = message.event
    pinned = await context.artifacts.pin(trained.artifact)
    if isinstance(pinned, Unpinnable):
        return Refuse(trained, pinned.reasons, pinned.sentence)
    return Register(trained, pinned.manifest, pinned.uri, pinned.size, format_of(pinned.heads), pinned.files)
