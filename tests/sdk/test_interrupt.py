"""Ctrl-C, and the end of a process with an open registry."""

from __future__ import annotations

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from modelog.errors import Interrupted

from tests.sdk.processes import interrupt, run

pytestmark = pytest.mark.integration

BEGINNING = """
def waits():
    main = threading.main_thread().ident
    codes = [frame.f_code for frame, _ in traceback.walk_stack(sys._current_frames()[main])]
    return codes[0].co_filename.endswith("threading.py") and "_next" in [code.co_name for code in codes]

def ready():
    "Say so when the main thread is blocked, because it waits for the next message."
    def watch():
        while not waits():
            pass
        print("ready", flush=True)
    threading.Thread(target=watch).start()
"""
README = """
with SyncRegistry() as registry:
    registry.publish(requested(1))
    for message in registry.subscribe(PromotionRequested, group="deployer"):
        ready()
"""
CONNECTED = """
registry = SyncRegistry().connect()
registry.publish(requested(1))
for message in registry.subscribe(PromotionRequested, group=None):
    ready()
"""
CAUGHT = """
try:
    with SyncRegistry() as registry:
        registry.publish(requested(1))
        for message in registry.subscribe(PromotionRequested, group="deployer"):
            ready()
except KeyboardInterrupt:
    print("caught")
"""
INTERACTIVE = """
sys.ps1 = ">>> "
try:
    with SyncRegistry() as registry:
        registry.publish(requested(1))
        for message in registry.subscribe(PromotionRequested, group=None):
            ready()
except SystemExit:
    print("would end the interpreter")
except KeyboardInterrupt:
    print("caught")
"""
ASYNC = """
from contextlib import suppress

async def deploy():
    async with Registry() as registry:
        await registry.publish(requested(1))
        async for message in registry.subscribe(PromotionRequested, group="deployer"):
            print("ready", flush=True)

with suppress(KeyboardInterrupt):
    asyncio.run(deploy())
"""
UNCLOSED = """
registry = SyncRegistry().connect()
for version in range(1, 101):
    registry.publish(requested(version))
it = iter(registry.subscribe(PromotionRequested, group="unclosed"))
print(next(it).event.version)
"""
COLLECTED = """
import gc
registry = SyncRegistry().connect()
registry.publish(requested(1))
[thread] = [thread for thread in threading.enumerate() if thread.name == "modelog"]
messages = iter(registry.subscribe(PromotionRequested, group=None))
del registry
gc.collect()
print(next(messages).event.version, thread.is_alive())
del messages
gc.collect()
thread.join(30)
print(thread.is_alive())
"""
IN_A_THREAD = """
registry = SyncRegistry().connect()
registry.publish(requested(1))
seen = threading.Event()

def read():
    for message in registry.subscribe(PromotionRequested, group="thread"):
        seen.set()

threading.Thread(target=read, daemon=True).start()
seen.wait()
print("ends")
"""


@pytest.fixture
def variables(env: dict[str, str], prefix: str) -> dict[str, str]:
    return {**env, "MODELOG_TOPIC_PREFIX": prefix}


@pytest.mark.parametrize("program", [README, CONNECTED])
def test_a_loop_that_ctrl_c_ends_leaves_no_traceback(variables: dict[str, str], program: str) -> None:
    assert interrupt(BEGINNING + program, variables) == (130, "", "")


@pytest.mark.parametrize("program", [README, CONNECTED])
def test_a_loop_that_ctrl_c_ends_warns_of_nothing_unclosed(variables: dict[str, str], program: str) -> None:
    status, _, errors = interrupt(BEGINNING + program, variables, "-X", "dev")
    assert (status, [line for line in errors.splitlines() if "nclosed" in line or "pending" in line]) == (130, [])


async def test_it_is_a_keyboard_interrupt_and_the_group_was_left(variables: dict[str, str], prefix: str) -> None:
    assert interrupt(BEGINNING + CAUGHT, variables) == (0, "caught", "")
    admin = AIOKafkaAdminClient(bootstrap_servers=variables["MODELOG_KAFKA_SERVERS"])
    await admin.start()
    try:
        [answer] = await admin.describe_consumer_groups([f"{prefix}deployer"])
    finally:
        await admin.close()
    [(code, group, state, *_, members)] = [described[:6] for described in answer.groups]
    assert (code, group, state, members) == (0, f"{prefix}deployer", "Empty", [])


def test_it_is_nothing_else_in_an_interactive_python(variables: dict[str, str]) -> None:
    assert interrupt(BEGINNING + INTERACTIVE, variables) == (0, "caught", "")


def test_an_async_loop_that_ctrl_c_ends_leaves_nothing_open(variables: dict[str, str]) -> None:
    assert interrupt(BEGINNING + ASYNC, variables) == (0, "", "")


def test_who_catches_exceptions_does_not_catch_it() -> None:
    assert not issubclass(Interrupted, Exception)


@pytest.mark.parametrize(("program", "printed"), [(UNCLOSED, "1"), (COLLECTED, "1 True\nFalse"), (IN_A_THREAD, "ends")])
def test_a_process_ends_with_a_registry_that_nobody_closed(
    variables: dict[str, str], program: str, printed: str
) -> None:
    assert run(program, variables) == (0, printed, "")


def test_what_a_process_published_before_it_ended_is_there(variables: dict[str, str]) -> None:
    run(UNCLOSED, variables)
    reading = "print(len(list(SyncRegistry().connect().subscribe(PromotionRequested, group=None, until='now'))))"
    assert run(reading, variables) == (0, "100", "")
