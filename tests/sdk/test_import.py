"""What can be imported without the extras, and the error when an extra is missing."""

from __future__ import annotations

import subprocess
import sys

import modelog
from modelog.events import EVENTS

BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("aiokafka", "minio"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
"""


def without_extras(code: str) -> str:
    """What a process without aiokafka and minio prints."""
    done = subprocess.run([sys.executable, "-c", BLOCKED + code], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_events_need_no_extra() -> None:
    assert (
        without_extras("""
import modelog, modelog.events, modelog.envelope, modelog.policy, modelog.schemas
from modelog import *
print(ModelPromoted.type, Registry.__name__, SyncRegistry.__name__)
""")
        == "model.promoted Registry SyncRegistry\n"
    )


def test_events_and_manifests_import_no_client() -> None:
    code = "import modelog.events, modelog.manifest, sys; print({'asyncio', 'urllib3'} & set(sys.modules))"
    assert without_extras(code) == "set()\n"


def test_the_error_of_an_async_registry_names_the_missing_extra() -> None:
    assert (
        without_extras("""
import asyncio, modelog
try:
    asyncio.run(modelog.Registry().__aenter__())
except modelog.MissingExtra as missing:
    print(missing)
""")
        == "a Registry needs aiokafka, found none: pip install 'modelog[kafka]'\n"
    )


def test_the_error_of_a_sync_registry_names_the_missing_extra() -> None:
    assert (
        without_extras("""
import modelog
try:
    with modelog.SyncRegistry(): pass
except ImportError as missing:
    print(missing)
""")
        == "a Registry needs aiokafka, found none: pip install 'modelog[kafka]'\n"
    )


def test_everything_public_is_there() -> None:
    assert all(getattr(modelog, name) for name in modelog.__all__)
    assert {event.__name__ for event in EVENTS} <= {*modelog.__all__}


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(modelog, "Registrar")


def test_an_import_changes_nothing_in_the_process() -> None:
    """Of what programs share: hooks, signals, loggers, warnings, variables, threads, the working folder."""
    code = """
import asyncio, atexit, gc, json, locale, logging, logging.handlers, os, signal, socket, sys, threading, warnings
import pydantic, aiokafka, minio  # what they change is not ours

def state():
    loggers = {
        name: (it.level, list(it.handlers), list(it.filters), it.propagate)
        for name, it in [("", logging.getLogger()), *logging.root.manager.loggerDict.items()]
        if isinstance(it, logging.Logger)
    }
    return {
        "hooks": [sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook, sys.gettrace()],
        "import hooks": [list(sys.meta_path), list(sys.path_hooks), list(sys.path)],
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "loggers": [found for name, found in sorted(loggers.items()) if not name.startswith("modelog")],
        "own loggers": [found for name, found in loggers.items() if name.startswith("modelog") and any(found[:3])],
        "root": [logging.raiseExceptions, logging.getLoggerClass(), logging.getLogRecordFactory(), logging.lastResort],
        "warnings": list(warnings.filters),
        "variables": dict(os.environ),
        "threads": threading.enumerate(),
        "folder": [os.getcwd(), os.umask(os.umask(0o22))],
        "loops": [asyncio.get_event_loop_policy(), sys.get_asyncgen_hooks()],
        "sockets": socket.getdefaulttimeout(),
        "exit": atexit._ncallbacks(),
        "limits": [sys.getrecursionlimit(), sys.getswitchinterval(), gc.get_threshold()],
        "locale": locale.setlocale(locale.LC_ALL),
        "classes": [dict(vars(it)) for it in (aiokafka.AIOKafkaConsumer, aiokafka.AIOKafkaProducer, minio.Minio)],
    }

for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try:
        signal.signal(number, signal.SIG_DFL)
    except OSError:  # those that the C library keeps for itself
        pass
before = state()
import modelog, modelog.client, modelog.sync, modelog.store, modelog.kafka_settings
import modelog._kafka.subscription, modelog._kafka.sender
after = state()
print([name for name in before if before[name] != after[name]])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env={})
    assert (done.stdout, done.stderr) == ("[]\n", "")
