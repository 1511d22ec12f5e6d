"""`make up` and `make down`: begin it all, end exactly that."""

import os
import subprocess
import sys
from collections.abc import Mapping

import psutil

from stack import compose
from stack.addresses import Addresses
from stack.checkout import (
    DATA,
    ENV,
    FOLDER,
    LOCK,
    ROOT,
    SERVICES_LOG,
    STACK_LOG,
    Record,
    forget,
    read_env,
    read_record,
    write_env,
    write_record,
)
from stack.daemon import DRAINING, ready
from stack.jars import one_process_at_a_time
from stack.selection import Source, choose
from stack.servers import erase as erase_data
from stack.terminal import StackError, say


def up(*, servers_only: bool) -> None:
    """Start everything unless it runs already, return when it answers, and print where."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    with one_process_at_a_time(LOCK):
        record = read_record()
        if record and ENV.exists() and (record.source == "docker" or record.process):
            say("Already up.")
        else:
            forget()
            source = choose(os.environ)
            if source == "docker":
                write_record(Record(source, pid=0, started=0))
                write_env(compose.up(servers_only=servers_only).env)
            else:
                begin(source, servers_only=servers_only)
        env = read_env()
    port = env.get("MODELOG_HEALTH_PORT")
    if port and not ready(port):
        raise StackError(f"The services stopped answering; {SERVICES_LOG} may tell why. `make down`, then `make up`.")
    print(card(env))


def begin(source: Source, *, servers_only: bool) -> None:
    """Start the process that holds everything, and pass on what it says until it is ready or gone."""
    holder = subprocess.Popen(
        [sys.executable, "-m", "stack", "daemon", *(["--servers-only"] if servers_only else [])],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    write_record(Record.of(source, holder.pid))
    assert holder.stdout
    try:
        for sentence in holder.stdout:
            say(sentence.rstrip())
    except KeyboardInterrupt:
        holder.terminate()
        holder.wait()
        raise
    finally:
        if not ENV.exists():
            holder.wait()
            forget()
    if not ENV.exists():
        raise StackError("Nothing was left running.")


def down(*, erase: bool) -> None:
    """End what `up` began and nothing else; with `erase`, delete its data too."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    with one_process_at_a_time(LOCK):
        record = read_record()
        if record and record.source == "docker":
            compose.down(erase=erase)
        elif record and (process := record.process):
            end(process)
        else:
            say("Nothing that `make up` began is running.")
        forget()
        if erase:
            erase_data(DATA)


def end(holder: psutil.Process) -> None:
    """End the process that holds everything; when it takes too long, by force, and the guards end the rest."""
    say("Ending the services and the servers.")
    holder.terminate()
    _, stubborn = psutil.wait_procs([holder], timeout=DRAINING + 30)
    for one in stubborn:
        one.kill()


def card(env: Mapping[str, str]) -> str:
    """The addresses for a person to read; the secrets stay in the file."""
    masked = Addresses.from_env(env).masked
    lines = {
        "kafka": masked.kafka,
        "postgres": masked.postgres,
        "s3": f"{masked.s3_endpoint}   bucket {masked.s3_bucket}   key {masked.s3_access_key}",
        "health": f"http://127.0.0.1:{env['MODELOG_HEALTH_PORT']}/readyz" if "MODELOG_HEALTH_PORT" in env else "",
        "addresses": f"{ENV.relative_to(ROOT)} (with the secrets)",
        "logs": f"{STACK_LOG.relative_to(ROOT)}, {SERVICES_LOG.relative_to(ROOT)}",
    }
    told = (f"  {name:<10} {what}" for name, what in lines.items() if what)
    return "\n".join(["modelog is up; `make down` ends it.", *told])
