"""An upgrade from an older commit in place, under load: the same volumes and `.env`, another image and compose.yaml."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path

import pytest

from services import names
from stack.checkout import ROOT
from tests.docker.conftest import Report
from tests.docker.containers import MESSAGES_PER_SECOND, Containers, removed_at_its_end
from tests.docker.project import Project, docker
from tests.e2e.invariants import check
from tests.e2e.load import Load
from tests.e2e.progress import goes_on
from tests.e2e.watching import wait_until_idle

pytestmark = pytest.mark.docker

FROM = "b577907"
"""The commit before compose.yaml was run by tests; installations of that time exist."""
MIXED = ("relay", "promotion")
"""Services of which the new container works beside old containers for a while."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """That commit in a folder of its own; a clone without history fails."""
    if subprocess.run(["git", "-C", str(ROOT), "cat-file", "-e", FROM], capture_output=True, check=False).returncode:
        pytest.fail(f"this clone has no history: {FROM} is not in it; git fetch --unshallow brings it")
    folder = tmp_path / FROM
    subprocess.run(["git", "clone", "--quiet", "--no-checkout", str(ROOT), str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "checkout", "--quiet", "--detach", FROM], check=True)
    # Its image had a single name, which may be in use on this engine.
    compose = folder / "compose.yaml"
    compose.write_text(compose.read_text().replace("image: modelog\n", "image: ${MODELOG_IMAGE:-modelog}\n"))
    return folder


async def test_an_upgrade_in_place_under_load_loses_nothing(checkout: Path, tmp_path: Path, report: Report) -> None:
    with removed_at_its_end(Project.new("upgrade", tmp_path), tmp_path) as new:
        old = new.by(checkout)
        docker("build", "--quiet", "--tag", old.image, str(checkout))
        new.compose("build", "--quiet")
        containers = Containers(new, tmp_path)
        load = Load(containers, tmp_path, MESSAGES_PER_SECOND)
        await up(old, "--wait")
        async with load.running():
            await containers.grows("model.promoted", 20)
            await beside_each_other(containers, old, report)
            began = time.monotonic()
            await up(new, "--wait")
            report(f"docker compose up took {time.monotonic() - began:.1f} s")
            for name in names():
                assert image(containers, name) == new.image
                await goes_on(containers, name)
            done = new.compose("run", "--rm", "--no-deps", "setup", "operations", "setup", "--after")
            report(f"`operations setup --after` did {len(done.splitlines())} things")
            await containers.grows("model.promoted")
        await wait_until_idle(containers)
        await check(containers, load)
        assert not containers.bugs()
    report(f"{len(load.sent)} messages: 0 lost, 0 answered twice, {len(load.garbage)} parked, all of them garbage")


async def beside_each_other(containers: Containers, old: Project, report: Report) -> None:
    """The new setup, some new services beside old services, and a step back, all on the servers as they are."""
    new = containers.project
    await up(new, "--no-deps", "setup")
    await containers.work("setup")
    await up(new, "--no-deps", *MIXED)
    for name in names():
        assert image(containers, name) == (new.image if name in MIXED else old.image)
        await goes_on(containers, name)
    report(f"new {' and '.join(MIXED)} work beside old services")
    await up(old, "--no-deps", *MIXED)
    for name in MIXED:
        assert image(containers, name) == old.image
        await goes_on(containers, name)
    report(f"old {' and '.join(MIXED)} work again, on what the new setup has made")


async def up(project: Project, *arguments: str) -> None:
    """`docker compose up --detach`."""
    await asyncio.to_thread(project.compose, "up", "--detach", "--no-build", *arguments)


def image(containers: Containers, name: str) -> str:
    """The tag of the image that a container was made of."""
    return docker("inspect", "--format", "{{.Config.Image}}", f"{containers.project.name}-{name}-1")
