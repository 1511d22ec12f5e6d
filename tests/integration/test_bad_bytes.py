"""Runs whose bytes are missing, changed, or not a model: they are answered with a refusal, and none blocks."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest
from modelog.events import ModelRejected, RegistrationRefused
from modelog.values import Artifact, File

from tests.integration.artifacts import CountingStore, put
from tests.integration.in_process import BYTES, InProcessRegistry

OTHER = "ab" * 32


def files(*paths: str, sha256: str = OTHER, size: int = len(BYTES)) -> Artifact:
    return Artifact(files=tuple(File(path=path, size=size, sha256=sha256) for path in paths))


@pytest.mark.parametrize(
    ("case", "artifact", "reason"),
    [
        ("missing-object", files("model.pkl"), "missing object"),
        ("no-files", Artifact(), "no files"),
        ("an-empty-prefix", Artifact(uri="s3://{bucket}/nothing-here/"), "no files"),
        ("a-foreign-bucket", Artifact(uri="s3://nobody-has-this/model"), "foreign prefix unreadable"),
        ("another-address", Artifact(uri="file:///etc/passwd"), "foreign prefix unreadable"),
        ("parent", files("../model.pkl"), "unsafe path"),
        ("parent-inside", files("a/../../model.pkl"), "unsafe path"),
        ("absolute", files("/etc/passwd"), "unsafe path"),
        ("backslash", files("..\\model.pkl"), "unsafe path"),
        ("drive", files("C:/model.pkl"), "unsafe path"),
        ("twice", files("a", "a"), "repeated path"),
    ],
)
async def test_bytes_that_cannot_be_pinned_are_refused(
    registry: InProcessRegistry, case: str, artifact: Artifact, reason: str
) -> None:
    uri = artifact.uri and artifact.uri.format(bucket=registry.settings.s3_bucket)
    await registry.send(registry.trained(case, artifact=artifact.model_copy(update={"uri": uri})))
    (refused,) = await registry.wait_for_facts(case, RegistrationRefused)
    assert reason in refused.reasons
    assert refused.sentence
    assert (await registry.registers_next(case)).version == 1


async def test_a_bucket_that_no_setting_names_is_not_read(registry: InProcessRegistry, foreign: CountingStore) -> None:
    await asyncio.to_thread(put, foreign, "run/model.pkl", BYTES)
    await registry.send(registry.trained("of-another", artifact=Artifact(uri=f"s3://{foreign.bucket}/run")))
    (refused,) = await registry.wait_for_facts("of-another", RegistrationRefused)
    assert refused.reasons == ("foreign prefix unreadable",)
    assert "MODELOG_FOREIGN_BUCKETS" in refused.sentence


@pytest.mark.parametrize(("content", "reason"), [(b"other bytes", "size differs"), (b"1234", "digest differs")])
async def test_bytes_that_differ_from_the_report_are_refused(
    registry: InProcessRegistry, content: bytes, reason: str
) -> None:
    assert (len(content) == len(BYTES)) == (reason == "digest differs")
    model, sha256 = reason.replace(" ", "-"), f"{len(content):064x}"
    await asyncio.to_thread(registry.put, f"blobs/sha256/{sha256}", content)
    await registry.send(registry.trained(model, artifact=files("model.pkl", sha256=sha256)))
    (refused,) = await registry.wait_for_facts(model, RegistrationRefused)
    assert refused.reasons == (reason,)
    assert (await registry.registers_next(model)).version == 1


async def test_bytes_that_are_no_model_are_registered_and_rejected(registry: InProcessRegistry) -> None:
    blob = b"hello, I am text"
    digest = sha256(blob).hexdigest()
    await asyncio.to_thread(registry.put, f"blobs/sha256/{digest}", blob)
    await registry.send(registry.trained("text", artifact=files("model.pkl", sha256=digest, size=len(blob))))
    (rejected,) = await registry.wait_for_facts("text", ModelRejected)
    assert [finding.check for finding in rejected.findings if not finding.passed] == ["format known"]
