"""The examples of the README are run as they are."""

from __future__ import annotations

import asyncio
import os
import pickle
import re
import sys
from functools import partial
from pathlib import Path

from stack import Servers
from stack.waiting import until
from tests.e2e.cluster import new_cluster

REFUSED = "select data, meta ->> 'actor' from log.event where kind = 'promotion.refused'"
README = Path(__file__).parents[2] / "README.md"


def snippet(title: str) -> str:
    """The Python under a heading of the README."""
    found = re.search(rf"^## {title}$.*?^```python\n(.*?)^```", README.read_text(), re.S | re.M)
    assert found, f"README has no Python under {title}"
    return found[1]


async def test_the_readme_publishes_subscribes_and_requests(servers: Servers, tmp_path: Path) -> None:
    (tmp_path / "model.joblib").write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
    (tmp_path / "logs").mkdir()
    async with new_cluster(servers.addresses, tmp_path / "logs") as cluster:
        cluster.start("all")
        await cluster.ready("all")

        async def run(title: str) -> asyncio.subprocess.Process:
            # -u: the subscriber never ends, so its line must not stay in a buffer.
            return await asyncio.create_subprocess_exec(
                sys.executable, "-u", "-c", snippet(title),
                cwd=tmp_path, env=os.environ | cluster.env, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip

        subscriber = await run("Subscribe")
        assert subscriber.stdout is not None
        try:
            publisher = await run("Publish")
            assert await asyncio.wait_for(publisher.wait(), 60) == 0
            line = (await asyncio.wait_for(subscriber.stdout.readline(), 60)).decode()
            requester = await run("Promote, roll back")
            assert await asyncio.wait_for(requester.wait(), 60) == 0
            await until(partial(cluster.logged, "promotion.refused"), "an answer to the request")
            log = await cluster.log()
            refused = await log.fetchrow(REFUSED)
            await log.close()
        finally:
            subscriber.kill()
            await subscriber.wait()
    assert line.startswith("1 instead of None")
    assert "unknown version" in refused[0], "the snippet asks for version 6"
    assert refused[1] == "7f3c"
    assert (tmp_path / "served/fraud/1/model.joblib").read_bytes() == (tmp_path / "model.joblib").read_bytes()
