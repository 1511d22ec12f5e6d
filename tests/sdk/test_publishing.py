"""Publishing and artifacts, on real servers."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from modelog import Artifact, Dataset, ModelRetired, ModelTrained, NotPublished, PromotionRequested, Registry
from modelog.manifest import blob_key, manifest, manifest_key
from modelog.store import Store

from tests.sdk.reading import requested, take

pytestmark = pytest.mark.integration


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / "model.bin").write_bytes(b"weights")
    (tmp_path / "config" / "features.json").write_text("[]")
    return tmp_path


async def test_a_run_is_uploaded_and_published(registry: Registry, folder: Path, store: Store) -> None:
    published = await registry.trained(
        "fraud", run="r1", files=folder, metrics={"auc": 0.9}, datasets=[Dataset(name="tx")]
    )
    [received] = await take(registry.subscribe(ModelTrained, group=None, until="now"), 1)
    assert received == published
    assert [file.path for file in received.event.artifact.files] == ["config/features.json", "model.bin"]
    assert (received.event.metrics, received.event.datasets) == ({"auc": 0.9}, (Dataset(name="tx"),))
    assert all(store.head(blob_key(file.sha256))[0] == file.size for file in received.event.artifact.files)


async def test_a_run_that_was_refused_can_be_reported_again(registry: Registry) -> None:
    """A message whose id was answered before is dropped, so with the same id the run would stay refused."""
    first = await registry.trained("fraud", run="r1", uri="s3://elsewhere/fraud/7")
    again = await registry.trained("fraud", run="r1", uri="s3://elsewhere/fraud/7")
    assert (again.event, again.id != first.id) == (first.event, True)


async def test_another_run_with_the_same_bytes_uploads_the_same_files(registry: Registry, folder: Path) -> None:
    first = await registry.trained("fraud", run="r1", files=folder / "model.bin")
    other = await registry.trained("fraud", run="r2", files=folder / "model.bin")
    assert first.event.artifact == other.event.artifact


async def test_a_run_may_point_to_bytes_elsewhere(registry: Registry) -> None:
    published = await registry.trained("fraud", run="r1", uri="s3://elsewhere/fraud/7")
    assert published.event.artifact == Artifact(uri="s3://elsewhere/fraud/7")


async def test_a_run_has_its_bytes_in_one_place(registry: Registry, folder: Path) -> None:
    with pytest.raises(ValueError, match="either files or a uri"):
        await registry.trained("fraud", run="r1")
    with pytest.raises(ValueError, match="either files or a uri"):
        await registry.trained("fraud", run="r1", files=folder, uri="s3://elsewhere/fraud/7")


async def test_a_version_is_downloaded_by_its_digest(
    registry: Registry, folder: Path, store: Store, tmp_path: Path
) -> None:
    published = await registry.trained("fraud", run="r1", files={"model.bin": folder / "model.bin"})
    digest, content = manifest(published.event.artifact.files)
    store.client.put_object(store.bucket, manifest_key(digest), BytesIO(content), len(content))
    [path] = await registry.download(digest, tmp_path / "served")
    assert path.read_bytes() == b"weights"


async def test_a_request_is_returned_as_it_will_be_read(registry: Registry) -> None:
    published = await registry.publish(requested(7), id="mine")
    assert (published.event, published.id, published.source) == (requested(7), "mine", "modelog-sdk")


async def test_a_message_names_the_actor_of_the_call_or_else_of_the_registry(env: dict[str, str], prefix: str) -> None:
    async with Registry(env["MODELOG_KAFKA_SERVERS"], prefix=prefix, source="ci", actor="u-4711") as registry:
        await registry.publish(requested(1))
        await registry.publish(requested(2), actor="u-4712")
        received = await take(registry.subscribe(PromotionRequested, group=None, until="now"), 2)
    assert [(message.source, message.actor) for message in received] == [("ci", "u-4711"), ("ci", "u-4712")]


async def test_a_fact_is_not_published(registry: Registry) -> None:
    with pytest.raises(ValueError, match="only modelog publishes facts"):
        await registry.publish(ModelRetired(model="fraud", version=7, by="mira"))


async def test_a_missing_topic_is_named_in_the_error(env: dict[str, str]) -> None:
    missing = Registry(env["MODELOG_KAFKA_SERVERS"], prefix="missing.", kafka={"request_timeout_ms": 1000})
    async with missing as registry:
        with pytest.raises(NotPublished, match=r"missing\.promotion\.requested"):
            await registry.publish(requested(7))


async def test_a_missing_broker_is_named_in_the_error() -> None:
    async with Registry("127.0.0.1:1") as registry:
        with pytest.raises(NotPublished, match=r"127\.0\.0\.1:1"):
            await registry.publish(requested(7))


async def test_the_error_of_a_closed_registry_shows_how_to_open_it() -> None:
    with pytest.raises(RuntimeError, match="async with Registry"):
        await Registry().publish(requested(7))
