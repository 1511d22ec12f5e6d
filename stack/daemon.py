"""The process behind `make up`: it holds the servers and the services, and they end with it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from http.client import HTTPException
from urllib.request import urlopen

from stack.checkout import DATA, FOLDER, ROOT, SERVICES_LOG, STACK_LOG, write_env
from stack.lifetime import running
from stack.ports import kept_port
from stack.supervisor import Guarded
from stack.terminal import StackError, say

PATIENCE = 60.0
DRAINING = 40.0  # longer than the 30 seconds a service gives its running batch


def run_daemon(*, servers_only: bool) -> None:
    """Start everything, write the addresses, let `up` go, and hold it all until SIGTERM."""
    with ExitStack() as held:
        say("Starting Kafka, Postgres and S3.")
        env = dict(held.enter_context(running(DATA)).env)
        if not servers_only:
            env |= {"MODELOG_HEALTH_PORT": str(kept_port(FOLDER / "health-port"))}
            set_up(env)
            services = start_services(env)
            held.callback(services.stop)
            wait_until_ready(services, env["MODELOG_HEALTH_PORT"])
        # From here SIGTERM ends things in good order; before, it ends them by the guards.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        write_env(env)
        let_go_of_the_terminal()
        while True:
            signal.pause()


def let_go_of_the_terminal() -> None:
    """Close the pipe `up` reads, which tells it that all is ready; from here on speak to a log."""
    with STACK_LOG.open("ab") as log:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(log.fileno(), stream.fileno())


def set_up(env: Mapping[str, str]) -> None:
    """Bring schema, topics and bucket."""
    say("Bringing the schema, the topics and the bucket.")
    done = subprocess.run(
        [sys.executable, "-m", "operations", "setup"],
        cwd=ROOT,
        env=os.environ | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise StackError(f"The schema, the topics and the bucket could not be brought: {reason}")


def start_services(env: Mapping[str, str]) -> Guarded:
    """Start every service in one process."""
    say("Starting the services.")
    return Guarded([sys.executable, "-m", "services"], SERVICES_LOG, env=os.environ | env, patience=DRAINING)


def wait_until_ready(services: Guarded, port: str) -> None:
    """Return when the services say that they are ready."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        if not services.alive:
            raise StackError(f"The services ended while they started ({SERVICES_LOG}): {services.last_words()}")
        if ready(port):
            return
        time.sleep(0.05)
    raise StackError(f"The services were not ready within {PATIENCE:.0f} seconds; {SERVICES_LOG} may tell why.")


def ready(port: str) -> bool:
    """Whether the services say now that they are ready."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False
