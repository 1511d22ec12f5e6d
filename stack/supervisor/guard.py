"""Run a program that ends when its owner asks for it, when its owner dies, or when this guard itself is killed.

`stack.supervisor.process` starts this as a process of its own. Only the owner has the other end of its standard input:
a byte means that the program should end; end of file without a byte means that the owner died, and then the folder
`erase` is deleted too.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1


def run(
    *, argv: list[str], log: str, account: list[int] | None, stop: int, stop_seconds: float, erase: str | None
) -> int:
    """Run the program and return its exit code; once asked to end it gets at most `stop_seconds`."""
    guard, orphaned = os.getpid(), threading.Event()
    os.umask(0o077)  # logs and data are readable by their owner only

    def die_with_the_guard() -> None:
        # After the change of user, which would clear it. A guard that has died by now sends no signal any more.
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, stop)
            if os.getppid() != guard:
                os._exit(1)

    user, group = account or (None, None)
    with Path(log).open("ab") as output:
        program = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            user=user,
            group=group,
            extra_groups=[] if account else None,
            process_group=0,
            preexec_fn=die_with_the_guard,  # noqa: PLW1509  (no thread runs yet)
        )
    print(program.pid, flush=True)

    def end_when_asked() -> None:
        if not os.read(0, 1):
            orphaned.set()
        program.send_signal(stop)
        try:
            program.wait(stop_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)

    threading.Thread(target=end_when_asked, daemon=True).start()
    code = program.wait()
    with suppress(OSError):
        os.killpg(program.pid, signal.SIGKILL)
    if erase and orphaned.is_set():
        shutil.rmtree(erase, ignore_errors=True)
        with suppress(OSError):
            Path(erase).parent.rmdir()
    return code


if __name__ == "__main__":
    sys.exit(run(**json.loads(sys.argv[1])) and 1)
