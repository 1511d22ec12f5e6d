"""A store that refuses an object for ever, and a store that is down, on a registry that runs behind a proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from modelog.events import ModelPromoted, PromotionRefused
from modelog.manifest import blob_key

from stack import Addresses
from tests.integration.in_process import InProcessRegistry, in_process
from tests.integration.s3_proxy import Proxy, proxied
from tests.integration.serving import pickled, promote, serve


@pytest.fixture(scope="module")
def proxy(stack: Addresses) -> Iterator[Proxy]:
    with proxied(stack.s3_endpoint) as proxy:
        yield proxy


@pytest.fixture(scope="module")
async def registry(stack: Addresses, proxy: Proxy) -> AsyncIterator[InProcessRegistry]:
    async with in_process(replace(stack, s3_endpoint=proxy.endpoint)) as registry:
        yield registry


async def test_a_version_whose_blob_is_archived_is_refused_and_never_tried_for_ever(
    registry: InProcessRegistry, proxy: Proxy
) -> None:
    file = await serve(registry, "archived", pickled("archived"))
    proxy.deny(blob_key(file.sha256), "InvalidObjectState")
    await promote(registry, "archived", 1)
    (refused,) = await registry.wait_for_facts("archived", PromotionRefused)
    assert refused.reasons == ("unreadable object",)
    assert "restore it from the archive" in refused.sentence
    proxy.errors.clear()
    await promote(registry, "archived", 1)
    await registry.wait_for_facts("archived", ModelPromoted, 2)


async def test_while_the_store_is_down_a_promotion_waits_and_a_refusal_does_not(
    registry: InProcessRegistry, proxy: Proxy
) -> None:
    await serve(registry, "waits", pickled("waits"))
    proxy.deny("", "InternalError", 500)
    await promote(registry, "waits", 1)
    await promote(registry, "unknown", 1)
    await registry.wait_for_facts("unknown", PromotionRefused)
    assert not [fact for fact in await registry.facts("waits") if isinstance(fact, PromotionRefused)]
    proxy.errors.clear()
    await registry.wait_for_facts("waits", ModelPromoted, 2)
