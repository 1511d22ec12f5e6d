"""Which version serves a stage, by the topic of promotions."""

from __future__ import annotations

import pytest
from modelog import Message, ModelPromoted, Registry, SyncRegistry
from modelog.envelope import encode

from tests.sdk.promotions import promoted


async def send(registry: Registry, *messages: Message[ModelPromoted]) -> None:
    """Publish facts as the relay does."""
    assert registry._sender
    for message in messages:
        key, value, headers = encode(message.event, source="modelog", id=message.id, sequence=message.sequence)
        await registry._sender.send(f"{registry._prefix}model.promoted", key, value, headers)


@pytest.mark.integration
async def test_the_latest_promotion_to_the_stage_serves(registry: Registry) -> None:
    await send(
        registry,
        promoted(1, version=1),
        promoted(2, version=2, stage="staging"),
        promoted(3, version=3),
        promoted(4, version=9, model="churn"),
    )
    production, staging = await registry.serving("fraud"), await registry.serving("fraud", stage="staging")
    assert production
    assert staging
    assert (production.event.version, production.sequence, staging.event.version) == (3, 3, 2)


@pytest.mark.integration
async def test_a_stage_that_was_left_is_empty(registry: Registry) -> None:
    await send(registry, promoted(1), promoted(2, stage="shadow", leaves="production"))
    assert await registry.serving("fraud") is None


@pytest.mark.integration
async def test_a_model_that_was_never_promoted_serves_nothing(registry: Registry) -> None:
    assert await registry.serving("fraud") is None
    await send(registry, promoted(1, model="churn"))
    assert await registry.serving("fraud") is None


@pytest.mark.integration
def test_it_is_asked_without_async(sync_registry: SyncRegistry) -> None:
    sync_registry.loop.wait(send, sync_registry.registry, promoted(7, version=7))
    serving = sync_registry.serving("fraud", stage="production")
    assert serving
    assert serving.event.version == 7


async def test_what_is_no_name_of_a_model_is_refused() -> None:
    async with Registry("127.0.0.1:1") as registry:
        with pytest.raises(ValueError, match="a model's name has"):
            await registry.serving("fraud/7")
