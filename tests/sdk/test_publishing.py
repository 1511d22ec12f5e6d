"""Publishing and artifacts, on real servers."""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pytest
from modelog import Artifact, Dataset, ModelRetired, ModelTrained, NotPublished, PromotionRequested, Registry
from modelog.envelope import MAX_EVENT_BYTES, encode
from modelog.manifest import blob_key, manifest, manifest_key
from modelog.store import Absent, Store

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


async def test_files_that_do_not_fit_into_the_report_beside_its_parameters_are_refused_before_they_are_sent(
    registry: Registry, tmp_path: Path, store: Store
) -> None:
    content = uuid4().bytes
    (tmp_path / "model").write_bytes(content)
    report = ModelTrained(model="fraud", run="r1", artifact=Artifact(), parameters={"grid": ""})
    room = MAX_EVENT_BYTES - len(encode(report, source="test")[1])
    with pytest.raises(ValueError, match=r"at most 100 bytes, found more with file 1, .*: pack them into fewer files"):
        await registry.trained("fraud", run="r1", files=tmp_path, parameters={"grid": "x" * (room - 100)})
    with pytest.raises(Absent):
        store.head(blob_key(sha256(content).hexdigest()))


async def test_links_out_of_the_folder_are_followed_on_request(
    registry: Registry, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model").symlink_to(folder / "model.bin")
    with pytest.raises(ValueError, match="upload with follow_links=True"):
        await registry.trained("fraud", run="r1", files=tmp_path / "run")
    published = await registry.trained("fraud", run="r1", files=tmp_path / "run", follow_links=True)
    assert [file.path for file in published.event.artifact.files] == ["model"]


async def test_more_bytes_than_the_caller_expects_are_not_downloaded(
    registry: Registry, folder: Path, store: Store, tmp_path: Path
) -> None:
    published = await registry.trained("fraud", run="r1", files=folder / "model.bin")
    digest, content = manifest(published.event.artifact.files)
    store.client.put_object(store.bucket, manifest_key(digest), BytesIO(content), len(content))
    with pytest.raises(ValueError, match="expected a version of at most 6 bytes, found 7"):
        await registry.download(digest, tmp_path / "served", max_bytes=6)


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
