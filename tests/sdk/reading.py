"""Requests to publish, and reading some messages with a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Sequence
from typing import TypeVar

from modelog import Message, ModelRetired, PromotionRequested, Registry

T = TypeVar("T")
LIMIT_SECONDS = 60


def requested(version: int, model: str = "fraud") -> PromotionRequested:
    return PromotionRequested(model=model, version=version, by="mira")


async def publish_requests(registry: Registry, count: int) -> None:
    """Publish requests for versions 1, 2, 3 …"""
    for version in range(1, count + 1):
        await registry.publish(requested(version))


async def take(messages: AsyncIterable[T], count: int) -> list[T]:
    """The next `count`; the last of them is not committed."""

    async def taking() -> list[T]:
        taken: list[T] = []
        async for message in messages:
            taken.append(message)
            if len(taken) == count:
                break
        return taken

    return await asyncio.wait_for(taking(), LIMIT_SECONDS)


def versions(messages: Sequence[Message[PromotionRequested | ModelRetired]]) -> list[int]:
    return [message.event.version for message in messages]


def failing(_: object) -> object:
    raise ZeroDivisionError
