"""What an SDK sends is checked before it is sent."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from modelog import Artifact, ModelTrained, Registry
from modelog.addresses import check_addresses
from modelog.envelope import MAX_ATTRIBUTE_CHARS, decode, encode
from modelog.store import Store

from tests.sdk.envelopes import REQUEST, trained

LONGEST = "x" * MAX_ATTRIBUTE_CHARS
WRONG = ["", LONGEST + "x", "a\nb", "a\0b", "\x7f", "\x85", "\ud800"]


@pytest.mark.parametrize("name", ["id", "source", "actor"])
@pytest.mark.parametrize("text", WRONG, ids=ascii)
def test_an_attribute_that_not_every_reader_takes_is_refused(name: str, text: str) -> None:
    given: dict[str, Any] = {"source": "ci", name: text}
    with pytest.raises(ValueError, match=f"{name}"):
        encode(REQUEST, **given)
    assert getattr(decode(*encode(REQUEST, **{**given, name: LONGEST})), name) == LONGEST


@pytest.mark.parametrize("id", [b"1", 1.5, object()])
def test_an_id_is_text_or_a_uuid(id: Any) -> None:
    with pytest.raises(ValueError, match="expected text as id"):
        encode(REQUEST, source="ci", id=id)
    own = uuid.uuid4()
    assert decode(*encode(REQUEST, source="ci", id=own)).id == str(own)


def test_an_event_that_cannot_be_written_is_refused() -> None:
    broken = trained().model_copy(update={"parameters": {"a": "\ud800"}})
    with pytest.raises(ValueError, match=r"model\.trained cannot be written as JSON"):
        encode(broken, source="ci")


@pytest.mark.parametrize(
    "uri", ["/local/x", "file:///etc/x", "s3:/bucket/x", "s3://", "s3:///x", "S3://b/x", "gs://b/x", ""]
)
def test_an_address_of_no_known_kind_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="expected s3://bucket/prefix, found"):
        check_addresses(trained(artifact=Artifact(uri=uri)))


@pytest.mark.parametrize("artifact", [Artifact(), Artifact(uri="s3://b"), Artifact(uri="s3://b/a ?#\n/c")])
def test_an_address_of_s3_is_not(artifact: Artifact) -> None:
    check_addresses(trained(artifact=artifact))
    check_addresses(REQUEST)


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
async def test_what_is_refused_was_not_sent(registry: Registry) -> None:
    wrong: list[Any] = [
        trained(artifact=Artifact(uri="/local/x")),
        trained().model_copy(update={"metrics": {"auc": "high"}}),
        trained(description="x" * 2**20),
    ]
    for event in wrong:
        with pytest.raises(ValueError, match=r"expected|at most"):
            await registry.publish(event)
    with pytest.raises(ValueError, match="id"):
        await registry.publish(trained(), id="x" * 600)
    sent = [message async for message in registry.subscribe(ModelTrained, group=None, until="now")]
    assert sent == []


@pytest.mark.integration
@pytest.mark.parametrize(
    "wrong",
    [
        {"features": "age"},
        {"parameters": {"p": float("nan")}},
        {"tags": {"a": None}},
        {"description": "x" * 2**20},
        {"run": ""},
    ],
)
async def test_a_mistake_is_found_before_the_files_are_uploaded(
    registry: Registry, store: Store, tmp_path: Any, wrong: dict[str, Any]
) -> None:
    content = uuid.uuid4().bytes
    (tmp_path / "model.bin").write_bytes(content)
    before = list(store.client.list_objects(store.bucket, recursive=True))
    with pytest.raises(ValueError, match=r"features|run|parameters.p|tags.a|bytes of JSON"):
        await registry.trained("fraud", **{"run": "r1", "files": tmp_path, **wrong})
    assert [found.object_name for found in store.client.list_objects(store.bucket, recursive=True)] == [
        found.object_name for found in before
    ]
