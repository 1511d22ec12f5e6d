"""The process that `make up` leaves in the background: the servers and the services end with it."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack

from stack.checkout import CLIENTS_ENV, DATA, FOLDER, ROOT, SERVICES_LOG, STACK_LOG, write_env
from stack.ports import kept_port
from stack.probes import wait_for_services
from stack.secured_kafka import login
from stack.selection import running, wants_secured_kafka
from stack.supervisor import Guarded
from stack.terminal import StackError, print_line

READY_SECONDS = 60.0
STOP_SECONDS = 40.0  # longer than the 30 seconds a service gives its running batch


def run_daemon(*, servers_only: bool) -> None:
    """Start everything, write the addresses, let `up` return, and wait for SIGTERM."""
    with ExitStack() as ends:
        print_line("Starting Kafka, Postgres and S3.")
        secured = wants_secured_kafka(os.environ)
        env = dict(ends.enter_context(running(DATA, secured=secured)).env)
        if secured:
            allow(env)
        if not servers_only:
            env |= {"MODELOG_HEALTH_PORT": str(kept_port(FOLDER / "health-port"))}
            set_up(env)
            print_line("Starting the services.")
            services = start_services(env)
            ends.callback(services.stop)
            try:
                wait_for_services("The services", services, env["MODELOG_HEALTH_PORT"], READY_SECONDS)
            except StackError as error:
                raise StackError(f"{error}; {SERVICES_LOG} ends with: {services.last_lines()}") from error
        # From here SIGTERM stops everything in order; before, it ends this process and the guards end the rest.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        write_env(env)
        leave_the_terminal()
        while True:
            signal.pause()


def leave_the_terminal() -> None:
    """Close the pipe that `up` reads, so that it returns; what is printed later goes to a log."""
    with STACK_LOG.open("ab") as log:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(log.fileno(), stream.fileno())


def allow(env: Mapping[str, str]) -> None:
    """Let the users `services` and `clients` do in Kafka what they need; write the variables of clients to a file."""
    users = ("--services", "services", "--clients", "clients")
    operate("The access to Kafka could not be allowed", dict(env) | login(DATA / "kafka", "admin"), "acls", *users)
    write_env(without_postgres(dict(env) | login(DATA / "kafka", "clients")), CLIENTS_ENV)


def without_postgres(env: Mapping[str, str]) -> dict[str, str]:
    """The variables that clients need; they never reach the log."""
    return {name: value for name, value in env.items() if not name.startswith("MODELOG_POSTGRES_")}


def set_up(env: Mapping[str, str]) -> None:
    """Make schema, topics and bucket."""
    print_line("Making the schema, the topics and the bucket.")
    operate("The schema, the topics and the bucket could not be made", env, "setup")


def operate(failure: str, env: Mapping[str, str], *command: str) -> None:
    """Run a command of operations; raise StackError, which begins with `failure`, when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "operations", *command],
        cwd=ROOT,
        env=os.environ | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise StackError(f"{failure}: {reason}")


def start_services(env: Mapping[str, str]) -> Guarded:
    """Start every service in one process."""
    command = [sys.executable, "-m", "services"]
    return Guarded(command, SERVICES_LOG, env=os.environ | env, stop_seconds=STOP_SECONDS)
