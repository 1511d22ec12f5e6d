"""Ingestion: a training run becomes a version, its bytes pinned."""

from modelog.envelope import Message
from modelog.events import ModelTrained

from services.ingestion.decision import Refuse, Register, registration
from services.ingestion.pinned import Pinned, Unpinnable
from services.ingestion.pinning import Pinning
from shared.deciding.service import Context, Service

service = Service("ingestion", registration, needs=(Pinning,))


def register_known_bytes(message: Message[ModelTrained], context: Context) -> Register | None:
    """For bytes that another run has just brought: no task and no lock, 80 µs for a run instead of 120."""
    pinned = context.resource(Pinning).known(message.event.artifact)
    return _register(message.event, pinned) if pinned else None


@service.on(ModelTrained, look_up=register_known_bytes)
async def register_what_was_trained(message: Message[ModelTrained], context: Context) -> Register | Refuse:
    trained = message.event
    pinned = await context.resource(Pinning).pin(trained.artifact)
    if isinstance(pinned, Unpinnable):
        return Refuse(trained, pinned.reasons, pinned.sentence)
    return _register(trained, pinned)


def _register(trained: ModelTrained, pinned: Pinned) -> Register:
    return Register(trained, pinned.manifest, pinned.uri, pinned.size, pinned.format, pinned.files)
