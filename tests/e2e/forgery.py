"""Facts that nobody decided, of every kind, written to the topics of facts by a stranger who knows every rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from modelog.envelope import cause_of, derive_id, encode_binary

from tests.e2e.attacks import Headers
from tests.e2e.cluster import Cluster
from tests.e2e.installation import facts

GOLDEN = Path(__file__).parent.parent / "sdk" / "golden"
DECIDERS = ("ingestion", "validation", "promotion")
"""Who answers a run, one after the other: each answers the fact of the one before."""
UNKNOWN_VERSION = 999

Forged = tuple[str, bytes, bytes, Headers]
"""Topic, value, key and headers."""


def example(kind: str, model: str, **instead: Any) -> dict[str, Any]:
    """The content of a fact in the right shape; `instead` replaces the fields that it has."""
    content: dict[str, Any] = json.loads((GOLDEN / f"{kind}.v1.json").read_text())
    return content | {"model": model} | {name: value for name, value in instead.items() if name in content}


def forged(kind: str, content: dict[str, Any], **envelope: Any) -> Forged:
    """A record as the relay would send it."""
    defaults: dict[str, Any] = {"id": str(uuid4()), "source": "/modelog/ingestion", "time": datetime.now(UTC)}
    key, value, headers = encode_binary(
        kind, json.dumps(content).encode(), subject=content["model"], key=content["model"], **(defaults | envelope)
    )
    return kind, value, key, headers


def of_unknown_models(*models: str) -> Iterator[Forged]:
    """Every kind of fact about models that nobody trained."""
    for model in models:
        for kind in facts():
            yield forged(kind, example(kind, model, version=1))
            yield forged(kind, example(kind, model, version=UNKNOWN_VERSION), sequence=2**40, epoch=1)


def with_coming_ids(model: str, source: str, id: str) -> Iterator[Forged]:
    """Every kind of fact under the ids that the answers to a run will have; the stranger knows the run's id."""
    for name in (f"/{model}/0", "/0"):
        cause = cause_of(source, id)
        for decider in DECIDERS:
            coming = derive_id(cause, decider + name)
            for kind in facts():
                for version in (1, UNKNOWN_VERSION):
                    content = example(kind, model, version=version)
                    yield forged(kind, content, id=str(coming), source=f"/modelog/{decider}")
            cause = cause_of(f"/modelog/{decider}", str(coming))


async def with_real_positions(cluster: Cluster, model: str) -> list[Forged]:
    """Each fact of a model again with its id and position, and other content: version, files, manifest, kind."""
    found = []
    for row in await cluster.rows("select * from log.event where stream = $1 order by version", model):
        real, meta = json.loads(row["data"]), json.loads(row["meta"])
        place = {"id": str(row["id"]), "source": meta["source"], "sequence": row["position"], "epoch": 1}
        others: list[dict[str, Any]] = [
            {"version": UNKNOWN_VERSION},
            {"files": []},
            {"manifest": "sha256:" + "0" * 64},
            {"run": "other"},
        ]
        found += [forged(row["kind"], real | other, **place) for other in others if set(other) <= set(real)]
        found += [forged(kind, example(kind, model, version=real.get("version", 1)), **place) for kind in facts()]
    return found


def with_remembered_manifest(real: dict[str, Any], version: int) -> list[Forged]:
    """A registration with the manifest of bytes that were looked at, and with other files or none."""
    other = [{"path": "nothing.pkl", "size": 4, "sha256": "cd" * 32}]
    return [
        forged("model.registered", real | {"version": version, "run": f"forged-{n}", "files": files})
        for n, files in enumerate(([], other))
    ]


def again(record: Any, prefix: str, id: UUID | None = None) -> Forged:
    """A real record of the relay once more, as it is or under a new id."""
    headers = [(name, str(id).encode() if id and name == "ce_id" else text) for name, text in record.headers]
    return record.topic.removeprefix(prefix), record.value, record.key, headers
