"""Versions that serve, and their bytes, on a registry that runs."""

from __future__ import annotations

import asyncio
import hashlib

from modelog.events import ModelPromoted, ModelTrained, PromotionRequested
from modelog.manifest import blob_key
from modelog.values import Artifact, File

from shared.artifacts.store import ArtifactStore
from tests.integration.in_process import InProcessRegistry


def pickled(text: str) -> bytes:
    return b"\x80\x04\x8c" + bytes([len(text)]) + text.encode() + b"."


def blob(content: bytes) -> File:
    return File(path="model.pkl", size=len(content), sha256=hashlib.sha256(content).hexdigest())


async def serve(registry: InProcessRegistry, model: str, content: bytes, version: int = 1) -> File:
    """Register a version of these bytes, which the policy promotes; then a minute passes."""
    file = blob(content)
    await asyncio.to_thread(registry.put, blob_key(file.sha256), content)
    trained = ModelTrained(
        model=model, run=f"run-{version}", artifact=Artifact(files=(file,)), metrics={"f1": 0.9 + version / 100}
    )
    await registry.send(trained)
    await registry.wait_for_facts(model, ModelPromoted, version)
    forget(registry)
    return file


def forget(registry: InProcessRegistry) -> None:
    """A minute passes: everything is looked at again."""
    registry.process.resource(ArtifactStore).seen.clear()


async def remove(registry: InProcessRegistry, key: str) -> None:
    store = registry.settings.store()
    await asyncio.to_thread(store.client.remove_object, store.bucket, key)


async def promote(registry: InProcessRegistry, model: str, version: int, stage: str = "staging") -> None:
    await registry.send(PromotionRequested(model=model, version=version, stage=stage, by="ada"))
