"""The demo as a person runs it; however it ends, it leaves no processes and no files."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from stack.waiting import wait_until

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 120.0


@dataclass
class Demo:
    """A run of the demo. Its processes inherit the variable DEMO_MARK, and have their temporary files in `folder`."""

    process: subprocess.Popen[str]
    mark: str
    folder: Path

    def read_until(self, word: str) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if word in line:
                return
        pytest.fail(f"the demo ended before it printed {word!r}")

    def rest(self) -> str:
        output, _ = self.process.communicate(timeout=LIMIT_SECONDS)
        return output

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

    def left_after_waiting(self) -> list[str]:
        """The same after the time that a killed demo needs to end."""
        with suppress(TimeoutError):
            wait_until(lambda: not self.left(), "no processes and no files", seconds=30)
        return self.left()


@pytest.fixture
def demo(request: pytest.FixtureRequest) -> Iterator[Demo]:
    arguments = getattr(request, "param", [])
    folder = Path(tempfile.mkdtemp(prefix="test-demo-"))
    folder.chmod(0o711)  # for the user `nobody`, who runs root's Postgres
    mark = secrets.token_hex(8)
    # A test run in the background ignores SIGINT, and the demo would inherit that.
    inherited = signal.signal(signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        [sys.executable, "-m", "examples.demo", *arguments],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder), "DEMO_MARK": mark},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        signal.signal(signal.SIGINT, inherited)
        demo = Demo(process, mark, folder)
        try:
            yield demo
        finally:
            process.kill()
            demo.left_after_waiting()
            shutil.rmtree(folder, ignore_errors=True)


def test_the_demo_prints_every_step_and_leaves_nothing(demo: Demo) -> None:
    output = demo.rest()

    assert demo.process.returncode == 0, output
    parts = [
        "tumours/1 serves production, by policy",
        "tumours/2 serves production instead of 1, by policy",
        "tumours/2 serves production instead of 1, predicts",
        "tumours/3 failed: accuracy 0.888889 is worse than champion 2's 0.923977",
        "found none: send a CloudEvent",
        "train tumours again with the parameters of 2",
        "tumours/4 serves production instead of 2, by policy",
        "tumours/4 serves production instead of 2, predicts",
        "tumours/1 is retired, by ada",
        "serves: tumours/4 serves production: promote another version there first",
        "rows from 15 facts, equal to the dropped view",
        "| 4       | validated | production",
    ]
    places = [output.find(part) for part in parts]
    assert -1 not in places, f"{parts[places.index(-1)]!r} is missing:\n{output}"
    assert places == sorted(places)
    assert "\033" not in output
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

    assert demo.left_after_waiting() == []


@pytest.mark.parametrize("demo", [["--patience", "0"]], indirect=True)
def test_a_step_that_does_not_happen_is_named_and_the_logs_are_shown(demo: Demo) -> None:
    output = demo.rest()

    assert demo.process.returncode == 1
    assert "The log of ingestion" in output
    assert "The demo ended early: ingestion did not get ready within 0 s." in output
    assert demo.left() == []
