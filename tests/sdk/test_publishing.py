"""Publishing and artifacts, on real servers."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from modelog import Artifact, Dataset, ModelRetired, ModelTrained, NotPublished, Registry
from modelog.manifest import blob_key, manifest, manifest_key
from modelog.store import Store

from tests.sdk.reading import take, wish

pytestmark = pytest.mark.integration


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / "model.bin").write_bytes(b"weights")
    (tmp_path / "config" / "features.json").write_text("[]")
    return tmp_path


async def test_a_run_is_uploaded_and_published(registry: Registry, folder: Path, store: Store) -> None:
    said = await registry.trained("fraud", run="r1", files=folder, metrics={"auc": 0.9}, datasets=[Dataset(name="tx")])
    [heard] = await take(registry.subscribe(ModelTrained, group=None, until="now"), 1)
    assert heard == said
    assert [file.path for file in heard.event.artifact.files] == ["config/features.json", "model.bin"]
    assert (heard.event.metrics, heard.event.datasets) == ({"auc": 0.9}, (Dataset(name="tx"),))
    assert all(store.head(blob_key(file.sha256))[0] == file.size for file in heard.event.artifact.files)


async def test_a_run_that_was_refused_can_be_reported_again(registry: Registry) -> None:
    """An id that was answered before is dropped, and the run would stay refused when its files are there at last."""
    first = await registry.trained("fraud", run="r1", uri="s3://elsewhere/fraud/7")
    again = await registry.trained("fraud", run="r1", uri="s3://elsewhere/fraud/7")
    assert (again.event, again.id != first.id) == (first.event, True)


async def test_another_run_with_the_same_bytes_uploads_the_same_files(registry: Registry, folder: Path) -> None:
    first = await registry.trained("fraud", run="r1", files=folder / "model.bin")
    other = await registry.trained("fraud", run="r2", files=folder / "model.bin")
    assert first.event.artifact == other.event.artifact


async def test_a_run_may_point_to_bytes_elsewhere(registry: Registry) -> None:
    said = await registry.trained("fraud", run="r1", uri="s3://elsewhere/fraud/7")
    assert said.event.artifact == Artifact(uri="s3://elsewhere/fraud/7")


async def test_a_run_has_its_bytes_in_one_place(registry: Registry, folder: Path) -> None:
    with pytest.raises(ValueError, match="either files or a uri"):
        await registry.trained("fraud", run="r1")
    with pytest.raises(ValueError, match="either files or a uri"):
        await registry.trained("fraud", run="r1", files=folder, uri="s3://elsewhere/fraud/7")


async def test_a_version_is_downloaded_by_its_digest(
    registry: Registry, folder: Path, store: Store, tmp_path: Path
) -> None:
    said = await registry.trained("fraud", run="r1", files={"model.bin": folder / "model.bin"})
    digest, content = manifest(said.event.artifact.files)
    store.client.put_object(store.bucket, manifest_key(digest), BytesIO(content), len(content))
    [path] = await registry.download(digest, tmp_path / "served")
    assert path.read_bytes() == b"weights"


async def test_a_wish_comes_back_as_it_will_be_read(registry: Registry) -> None:
    said = await registry.publish(wish(7), id="mine")
    assert (said.event, said.id, said.source) == (wish(7), "mine", "modelog-sdk")


async def test_facts_are_said_by_modelog(registry: Registry) -> None:
    with pytest.raises(ValueError, match="facts are said by modelog"):
        await registry.publish(ModelRetired(model="fraud", version=7, by="mira"))


async def test_a_topic_that_is_missing_is_told(env: dict[str, str]) -> None:
    missing = Registry(env["MODELOG_KAFKA_SERVERS"], prefix="missing.", kafka={"request_timeout_ms": 1000})
    async with missing as registry:
        with pytest.raises(NotPublished, match=r"missing\.promotion\.requested"):
            await registry.publish(wish(7))


async def test_a_broker_that_is_missing_is_told() -> None:
    async with Registry("127.0.0.1:1") as registry:
        with pytest.raises(NotPublished, match=r"127\.0\.0\.1:1"):
            await registry.publish(wish(7))


async def test_a_closed_registry_says_how_to_open_it() -> None:
    with pytest.raises(RuntimeError, match="async with Registry"):
        await Registry().publish(wish(7))
