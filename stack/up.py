"""`make up` and `make down`: start everything, end exactly that."""

import os
import subprocess
import sys
from collections.abc import Mapping
from signal import SIGHUP

import psutil

from stack import compose
from stack.addresses import Addresses
from stack.cache import one_process_at_a_time
from stack.checkout import (
    CLIENTS_ENV,
    DATA,
    ENV,
    FOLDER,
    LOCK,
    REPAIR,
    ROOT,
    SERVICES_LOG,
    STACK_LOG,
    Record,
    forget,
    read_env,
    read_record,
    read_repair,
    write_env,
    write_record,
)
from stack.daemon import STOP_SECONDS
from stack.probes import services_are_ready
from stack.selection import Source, check_given, select
from stack.servers import erase as erase_data
from stack.terminal import StackError, print_line
from stack.waiting import wait_until

REPAIR_SECONDS = 300.0
"""For a start of everything that the daemon keeps, each with a limit of its own."""


def up(*, servers_only: bool) -> None:
    """Start everything, or repair what has ended of it; return when it is ready, and print the addresses."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    with one_process_at_a_time(LOCK):
        record = read_record()
        if record and record.source == "docker" and ENV.exists():
            write_env(compose.up(servers_only=servers_only).env)
        elif not (record and record.process and ENV.exists() and repaired(record.process)):
            if record and not record.process:
                print_line("The process that kept everything running had ended: all is started again.")
            start(servers_only=servers_only)
        env = read_env()
        record = read_record()
    port = env.get("MODELOG_HEALTH_PORT")
    if port and not services_are_ready(port):
        raise StackError(f"The services do not answer, see {SERVICES_LOG}. Run `make down`, then `make up`.")
    print(card(env, record.source if record else "native"))


def repaired(daemon: psutil.Process) -> bool:
    """Let the daemon start again what has ended, and name it; False if it has ended itself meanwhile.

    The daemon of an older commit does not know SIGHUP, and ends with all that it started.
    """
    REPAIR.unlink(missing_ok=True)
    daemon.send_signal(SIGHUP)
    try:
        wait_until(lambda: REPAIR.exists() or not daemon.is_running(), "an answer", seconds=REPAIR_SECONDS)
    except TimeoutError:
        raise StackError("The process that keeps everything running does not answer: run `make down` first.") from None
    if (repair := read_repair()) is None:
        return False
    for sentence in repair.sentences or ([] if repair.failure else ["Already up."]):
        print_line(sentence)
    if repair.failure:
        raise StackError(f"{repair.failure.rstrip('.')}. Run `make down`, then `make up`.")
    return True


def start(*, servers_only: bool) -> None:
    """Start everything, where it comes from."""
    forget()
    source = select(os.environ)
    if source == "docker":
        write_record(Record(source, pid=0, started=0))
        write_env(compose.up(servers_only=servers_only).env)
    else:
        if source == "given":
            check_given(os.environ)
        start_daemon(source, servers_only=servers_only)


def start_daemon(source: Source, *, servers_only: bool) -> None:
    """Start the daemon, and print its progress until it is ready or has ended."""
    daemon = subprocess.Popen(
        [sys.executable, "-m", "stack", "daemon", *(["--servers-only"] if servers_only else [])],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    write_record(Record.of(source, daemon.pid))
    assert daemon.stdout
    try:
        for line in daemon.stdout:
            print_line(line.rstrip())
    except KeyboardInterrupt:
        daemon.terminate()
        daemon.wait()
        raise
    finally:
        if not ENV.exists():
            daemon.wait()
            forget()
    if not ENV.exists():
        raise StackError("Nothing was left running.")


def down(*, erase: bool) -> None:
    """End what `up` started and nothing else; with `erase`, delete its data too."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    with one_process_at_a_time(LOCK):
        record = read_record()
        if record and record.source == "docker":
            compose.down(erase=erase)
        elif record and (process := record.process):
            end(process)
        else:
            print_line("Nothing that `make up` started is running.")
        forget()
        if erase:
            erase_data(DATA)


def end(daemon: psutil.Process) -> None:
    """Ask the daemon to end; when that takes too long, kill it, and the guards end the rest."""
    print_line("Ending the services and the servers.")
    daemon.terminate()
    _, alive = psutil.wait_procs([daemon], timeout=STOP_SECONDS + 30)
    for process in alive:
        process.kill()


def card(env: Mapping[str, str], source: Source = "native") -> str:
    """The addresses for a person to read; the secrets are only in the file."""
    logs = f"{STACK_LOG.relative_to(ROOT)}, {SERVICES_LOG.relative_to(ROOT)}"
    masked = Addresses.from_env(env).masked
    addresses = {
        "kafka": masked.kafka,
        "postgres": masked.postgres_reader or masked.postgres,
        "s3": f"{masked.s3_endpoint}   bucket {masked.s3_bucket}   key {masked.s3_access_key}",
        "health": f"http://127.0.0.1:{env['MODELOG_HEALTH_PORT']}/readyz" if "MODELOG_HEALTH_PORT" in env else "",
        "addresses": f"{ENV.relative_to(ROOT)} (with the secrets)",
        "clients": f"{CLIENTS_ENV.relative_to(ROOT)} (what pipelines and deployers need)"
        if CLIENTS_ENV.exists()
        else "",
        "logs": "docker compose logs" if source == "docker" else logs,
    }
    lines = (f"  {name:<10} {text}" for name, text in addresses.items() if text)
    return "\n".join(["modelog is up; `make down` ends it.", *lines])
