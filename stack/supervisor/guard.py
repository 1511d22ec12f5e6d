"""Run one server and see that it ends: when told, when its owner dies, or when this guard itself is killed.

A program of its own, started by `stack.supervisor`. Its standard input is a pipe only the owner holds: a byte
on it is the order to end the server; its end without one is the owner's death, which may take the server's folder too.
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


def run(*, argv: list[str], log: str, account: list[int] | None, stop: int, patience: float, erase: str | None) -> int:
    """Run the server to its end, which comes `patience` seconds after the order at the latest."""
    guard, orphaned = os.getpid(), threading.Event()
    os.umask(0o077)  # logs and data are their owner's

    def die_with_the_guard() -> None:
        # Runs after the change of user, which would clear it; a guard already dead by now sends no signal any more.
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, stop)
            if os.getppid() != guard:
                os._exit(1)

    user, group = account or (None, None)
    with Path(log).open("ab") as output:
        server = subprocess.Popen(
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
    print(server.pid, flush=True)

    def end_when_told() -> None:
        if not os.read(0, 1):
            orphaned.set()
        server.send_signal(stop)
        try:
            server.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)

    threading.Thread(target=end_when_told, daemon=True).start()
    code = server.wait()
    with suppress(OSError):
        os.killpg(server.pid, signal.SIGKILL)
    if erase and orphaned.is_set():
        shutil.rmtree(erase, ignore_errors=True)
        with suppress(OSError):
            Path(erase).parent.rmdir()
    return code


if __name__ == "__main__":
    sys.exit(run(**json.loads(sys.argv[1])) and 1)
