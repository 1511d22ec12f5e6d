"""The demo as a person runs it, and what is left of it afterwards, however it ends: nothing."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
LIMIT = 120.0


@dataclass
class Demo:
    """A run of the demo. Every process of it inherits a mark, and has its temporary files in one folder."""

    process: subprocess.Popen[str]
    mark: str
    folder: Path

    def read_until(self, word: str) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if word in line:
                return
        pytest.fail(f"the demo ended before it said {word!r}")

    def rest(self) -> str:
        told, _ = self.process.communicate(timeout=LIMIT)
        return told

    def left(self) -> list[str]:
        """The processes that still run, and the files that are still there."""
        return [*self._processes(), *(path.name for path in self.folder.iterdir())]

    def _processes(self) -> Iterator[str]:
        for process in psutil.process_iter():
            try:
                if process.environ().get("DEMO_MARK") == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    yield " ".join(process.cmdline())
            except psutil.Error:
                continue

    def left_at_last(self) -> list[str]:
        """What is left once everything had the time to end."""
        limit = time.monotonic() + 30
        while (left := self.left()) and time.monotonic() < limit:
            time.sleep(0.1)
        return left


@pytest.fixture
def demo(request: pytest.FixtureRequest) -> Iterator[Demo]:
    arguments = getattr(request, "param", [])
    folder = Path(tempfile.mkdtemp(prefix="test-demo-"))
    folder.chmod(0o711)  # root's Postgres runs as nobody
    mark = secrets.token_hex(8)
    with subprocess.Popen(
        [sys.executable, "-m", "examples.demo", *arguments],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder), "DEMO_MARK": mark},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        demo = Demo(process, mark, folder)
        try:
            yield demo
        finally:
            process.kill()
            demo.left_at_last()
            shutil.rmtree(folder, ignore_errors=True)


def test_the_demo_tells_the_whole_story_and_leaves_nothing(demo: Demo) -> None:
    told = demo.rest()

    assert demo.process.returncode == 0, told
    parts = [
        "tumours/1 serves production, by policy",
        "tumours/2 serves production instead of 1, by policy",
        "tumours/2 serves production instead of 1, predicts",
        "tumours/3 failed: accuracy 0.888889 is worse than champion 2's 0.923977",
        "found none: send a CloudEvent",
        "train tumours again as 2 was",
        "tumours/4 serves production instead of 2, by policy",
        "tumours/4 serves production instead of 2, predicts",
        "tumours/1 is used no more, by ada",
        "serves: tumours/4 serves production: promote another version there first",
        "rows from 15 facts, equal to what was dropped",
        "| 4       | validated | production",
    ]
    places = [told.find(part) for part in parts]
    assert -1 not in places, f"{parts[places.index(-1)]!r} is missing:\n{told}"
    assert places == sorted(places)
    assert "\033" not in told
    assert demo.left() == []


def test_ctrl_c_ends_everything(demo: Demo) -> None:
    demo.read_until("the servers answer")
    demo.process.send_signal(signal.SIGINT)

    assert "was interrupted" in demo.rest()
    assert demo.process.returncode == 130
    assert demo.left() == []


def test_kill_9_midway_leaves_neither_processes_nor_files(demo: Demo) -> None:
    demo.read_until("model.promoted")
    demo.process.kill()

    assert demo.left_at_last() == []


@pytest.mark.parametrize("demo", [["--patience", "0"]], indirect=True)
def test_a_step_that_does_not_happen_is_named_and_the_logs_are_shown(demo: Demo) -> None:
    told = demo.rest()

    assert demo.process.returncode == 1
    assert "The log of ingestion" in told
    assert "The demo ended early: ingestion was not ready within 0 s." in told
    assert demo.left() == []
