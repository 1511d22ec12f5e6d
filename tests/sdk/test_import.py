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
