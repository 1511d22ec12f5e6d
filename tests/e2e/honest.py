"""A pipeline that does everything right, and what it gets for that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from modelog import Artifact, Registry
from modelog.events import ModelTrained

from stack.waiting import until
from tests.e2e.cluster import Cluster

PROMOTED = ["model.registered", "model.validated", "model.promoted"]
"""The answers to a good run."""
LIMIT_SECONDS = 60.0


class Honest:
    """Reports good runs. `answered` fails when a model has more or other facts than its pipeline asked for."""

    def __init__(self, cluster: Cluster, registry: Registry, artifact: Artifact) -> None:
        self.cluster = cluster
        self.registry = registry
        self.artifact = artifact

    async def trains(self, model: str, run: str = "run-1", *, id: str | None = None, **other: Any) -> None:
        """Report a run whose bytes are in the store."""
        await self.registry.publish(self.run(model, run, **other), id=id or f"{model}/{run}")

    def run(self, model: str, run: str = "run-1", **other: Any) -> ModelTrained:
        """Such a run."""
        return ModelTrained(model=model, run=run, **{"artifact": self.artifact, "metrics": {"f1": 0.9}, **other})

    async def facts(self, model: str) -> list[tuple[str, dict[str, Any]]]:
        """Kind and content of each fact of a model."""
        rows = await self.cluster.rows("select kind, data from log.event where stream = $1 order by version", model)
        return [(row["kind"], json.loads(row["data"])) for row in rows]

    async def kinds(self, model: str) -> list[str]:
        """The kinds of a model's facts."""
        return [kind for kind, _ in await self.facts(model)]

    async def answered(self, model: str, *kinds: str) -> None:
        """Wait until a model has as many facts as these, by default those of a good run; they are exactly these."""
        expected = list(kinds) or PROMOTED

        async def enough() -> bool:
            return len(await self.kinds(model)) >= len(expected)

        await until(enough, f"{len(expected)} facts of {model} ({self.cluster.logs})", seconds=LIMIT_SECONDS)
        assert await self.kinds(model) == expected, model

    async def promoted(self, model: str) -> None:
        """Report a run of a new model, and wait for exactly its answers."""
        await self.trains(model)
        await self.answered(model)


@asynccontextmanager
async def honest(cluster: Cluster, folder: Path, registry: Registry | None = None) -> AsyncIterator[Honest]:
    """A pipeline for the time of the block, with a client of its own or the cluster's."""
    file = folder / "model.pkl"
    file.write_bytes(b"\x80\x04N.")
    artifact = await asyncio.to_thread(cluster.settings.store().upload, file)
    async with registry or cluster.registry() as opened:
        yield Honest(cluster, opened, artifact)
