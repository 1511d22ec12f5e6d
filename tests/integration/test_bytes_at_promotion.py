"""The bytes of a version between its registration and the day that it serves, on a registry that runs."""

from __future__ import annotations

import asyncio

import pytest
from modelog.events import ModelPromoted, PromotionRefused, PromotionRequested
from modelog.manifest import blob_key, manifest, manifest_key

from shared.artifacts.store import ArtifactStore
from tests.integration.in_process import InProcessRegistry
from tests.integration.serving import pickled, promote, remove, serve


@pytest.fixture
def asked(registry: InProcessRegistry, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys whose size was asked."""
    store, asked = registry.process.resource(ArtifactStore).store, list[str]()
    head = store.head

    def recorded(key: str, bucket: str | None = None) -> tuple[int, str]:
        asked.append(key)
        return head(key, bucket)

    monkeypatch.setattr(store, "head", recorded)
    return asked


async def test_a_version_whose_blob_was_deleted_since_it_was_validated_is_refused(registry: InProcessRegistry) -> None:
    file = await serve(registry, "deleted", pickled("deleted"))
    await remove(registry, blob_key(file.sha256))
    await promote(registry, "deleted", 1)
    (refused,) = await registry.wait_for_facts("deleted", PromotionRefused)
    assert refused.reasons == ("missing object",)
    assert refused.sentence == (
        f"deleted/1 cannot be downloaded: expected 'model.pkl' at {blob_key(file.sha256)}, found no object there: "
        "upload the bytes again"
    )
    await asyncio.to_thread(registry.put, blob_key(file.sha256), pickled("deleted"))
    await promote(registry, "deleted", 1)
    await registry.wait_for_facts("deleted", ModelPromoted, 2)


async def test_a_version_whose_manifest_is_gone_is_refused(registry: InProcessRegistry) -> None:
    file = await serve(registry, "unlisted", pickled("unlisted"))
    await remove(registry, manifest_key(manifest([file])[0]))
    await promote(registry, "unlisted", 1)
    (refused,) = await registry.wait_for_facts("unlisted", PromotionRefused)
    assert refused.reasons == ("missing object",)
    assert "expected a manifest at s3://" in refused.sentence


@pytest.mark.parametrize(("other", "reason"), [(b"longer than before", "size differs"), (None, "digest differs")])
async def test_a_version_whose_blob_has_other_bytes_is_refused(
    registry: InProcessRegistry, other: bytes | None, reason: str
) -> None:
    """Other bytes of the same size have another ETag than the bytes that were read when they were registered."""
    model = f"other-{reason[:4]}"
    file = await serve(registry, model, pickled(model))
    await asyncio.to_thread(registry.put, blob_key(file.sha256), other or pickled(model[::-1]))
    await promote(registry, model, 1)
    (refused,) = await registry.wait_for_facts(model, PromotionRefused)
    assert refused.reasons == (reason,)


async def test_a_rollback_to_a_version_whose_blob_is_gone_is_refused_and_to_a_good_version_works(
    registry: InProcessRegistry,
) -> None:
    files = [await serve(registry, "back", pickled(f"version {n}"), n) for n in (1, 2, 3)]
    await remove(registry, blob_key(files[0].sha256))
    await promote(registry, "back", 1, "production")
    (refused,) = await registry.wait_for_facts("back", PromotionRefused)
    assert (refused.version, refused.reasons) == (1, ("missing object",))
    await promote(registry, "back", 2, "production")
    promoted = (await registry.wait_for_facts("back", ModelPromoted, 4))[-1]
    assert (promoted.version, promoted.replaces) == (2, 3)


async def test_the_same_request_again_changes_nothing(registry: InProcessRegistry) -> None:
    file = await serve(registry, "twice", pickled("twice"))
    await remove(registry, blob_key(file.sha256))
    request = PromotionRequested(model="twice", version=1, stage="staging", by="ada")
    for _ in range(2):
        await registry.send(request, id="the-same")
    await promote(registry, "twice", 99)
    await registry.wait_for_facts("twice", PromotionRefused, 2)
    refusals = [fact for fact in await registry.facts("twice") if isinstance(fact, PromotionRefused)]
    assert [refusal.version for refusal in refusals] == [1, 99]


async def test_bytes_are_looked_at_once_in_a_minute(registry: InProcessRegistry, asked: list[str]) -> None:
    file = await serve(registry, "often", pickled("often"))
    asked.clear()
    for number, stage in enumerate(["staging", "production"] * 3, 2):
        await promote(registry, "often", 1, stage)
        await registry.wait_for_facts("often", ModelPromoted, number)
    assert asked == [blob_key(file.sha256)]


async def test_a_promotion_that_is_refused_anyway_looks_at_nothing(
    registry: InProcessRegistry, asked: list[str]
) -> None:
    await serve(registry, "moon", pickled("moon"))
    asked.clear()
    await promote(registry, "moon", 1, "moon")
    await promote(registry, "moon", 1, "production")
    await registry.wait_for_facts("moon", PromotionRefused, 2)
    assert asked == []
