"""The process that `make up` leaves in the background: the servers and the services end with it."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress

import psutil

from stack.addresses import Addresses
from stack.checkout import (
    CLIENTS_ENV,
    DATA,
    FOLDER,
    ROOT,
    SERVICES,
    SERVICES_LOG,
    STACK_LOG,
    Repair,
    write_env,
    write_repair,
)
from stack.ports import kept_port
from stack.probes import services_are_alive, wait_for_services
from stack.secured_kafka import login
from stack.selection import select, wants_secured_kafka
from stack.servers import NativeServers
from stack.supervisor import Guarded
from stack.supervisor.identity import Identity, wait_for_earlier
from stack.terminal import StackError, print_line
from stack.waiting import wait_until

ANSWER_SECONDS = 10.0
READY_SECONDS, READY_AGAIN_SECONDS = 60.0, 120.0  # again: consumers wait until their old sessions have ended
STOP_SECONDS = 40.0  # longer than the 30 seconds a service gives its running batch


def run_daemon(*, servers_only: bool) -> None:
    """Start everything, write the addresses, let `up` return, and repair what ended at each SIGHUP until SIGTERM."""
    with ExitStack() as ends:
        secured = wants_secured_kafka(os.environ, DATA)
        print_line("Starting Kafka, Postgres and S3.")
        servers = ends.enter_context(NativeServers(DATA, secured=secured)) if select(os.environ) == "native" else None
        env = (servers.addresses if servers else Addresses.from_env(os.environ)).env
        if secured:
            allow(env)
        services = None
        if not servers_only:
            set_up(env)
            print_line("Starting the services.")
            services = Services(env)
            env = services.env
            ends.callback(services.stop)
            services.start()
        # From here SIGTERM stops everything in order; before, it ends this process and the guards end the rest.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        asked = signals_to_read()
        write_env(env)
        leave_the_terminal()
        while True:
            if os.read(asked, 1)[0] == signal.SIGHUP:
                write_repair(repair(servers, services))


def signals_to_read() -> int:
    """A file descriptor that gives the number of each signal: none is missed between two waits."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGHUP, lambda *_: None)
    return reader


def repair(servers: NativeServers | None, services: "Services | None") -> Repair:
    """Start again what has ended, servers first."""
    sentences = []
    try:
        for sentence in servers.repair() if servers else ():
            sentences.append(sentence)  # one by one: the next may fail
        if services and (restarted := services.repair()):
            sentences.append(restarted)
    except (StackError, OSError, TimeoutError) as failure:
        return Repair(sentences, f"{failure}")
    return Repair(sentences)


class Services:
    """Every service in one process."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._wait_for_earlier()  # which may still have the port
        self.env = {**env, "MODELOG_HEALTH_PORT": str(kept_port(FOLDER / "health-port"))}
        self._process: Guarded | None = None

    def start(self) -> None:
        """Start them, and return when they are ready; raise StackError when they do not get ready."""
        self._wait_for_earlier()
        command = [sys.executable, "-m", "services"]
        self._process = Guarded(command, SERVICES_LOG, env=os.environ | self.env, stop_seconds=STOP_SECONDS)
        with suppress(psutil.NoSuchProcess):
            Identity.of(self._process.pid).write(SERVICES)
        self._wait_until_ready(self._process, READY_SECONDS)

    def repair(self) -> str | None:
        """Start them again if they have ended or do not answer, and wait until they are ready; a sentence if so."""
        assert self._process
        if not self._process.alive:
            reason = "had ended"
        elif not self._answer():
            reason = "did not answer"
            self._process.kill()
        else:
            self._wait_until_ready(self._process, READY_AGAIN_SECONDS)
            return None
        self.start()
        return f"The services {reason}: started again."

    def _wait_for_earlier(self) -> None:
        wait_for_earlier("The process of the services", SERVICES, STOP_SECONDS + 5)

    def _answer(self) -> bool:
        port = self.env["MODELOG_HEALTH_PORT"]
        try:
            return wait_until(lambda: services_are_alive(port), "an answer", seconds=ANSWER_SECONDS, every=0.5)
        except TimeoutError:
            return False

    def stop(self) -> None:
        """Ask them to end, and wait for that."""
        if self._process:
            self._process.stop()

    def _wait_until_ready(self, process: Guarded, seconds: float) -> None:
        try:
            wait_for_services("The services", process, self.env["MODELOG_HEALTH_PORT"], seconds)
        except StackError as error:
            raise StackError(f"{error}; {SERVICES_LOG} ends with: {process.last_lines()}") from error


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
