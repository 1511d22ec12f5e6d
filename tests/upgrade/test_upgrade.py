"""An upgrade from the last commit that is known to run somewhere."""

from __future__ import annotations

import subprocess

import pytest

from tests.upgrade.__main__ import run
from tests.upgrade.checkout import ROOT

FROM = "ea756c9"


@pytest.fixture
def commit() -> str:
    """A commit of this clone; a clone without history is skipped."""
    if subprocess.run(["git", "-C", str(ROOT), "cat-file", "-e", FROM], capture_output=True, check=False).returncode:
        pytest.skip(f"this clone has no history: {FROM} is not in it")
    return FROM


@pytest.mark.long
async def test_old_and_new_processes_share_the_work_until_the_old_processes_end(commit: str) -> None:
    """200 s: fourteen processes, and a clone with an environment of its own."""
    await run(commit)
