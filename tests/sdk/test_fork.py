"""A registry in a process that was forked while it was open."""

from __future__ import annotations

import pickle

import pytest
from modelog import ModelPromoted, PromotionRequested, Registry, SyncRegistry
from modelog.store import Store

from tests.sdk.processes import run

pytestmark = pytest.mark.integration

FORKED = """
with SyncRegistry() as registry:
    registry.publish(requested(1))
    child = os.fork()
    if child == 0:
        assert read(registry) == [1]
        registry.publish(requested(2))
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    registry.publish(requested(3))
    print(read(registry))
"""
UNUSED = """
registry = SyncRegistry().connect()
registry.publish(requested(1))
child = os.fork()
if child == 0:
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
registry.publish(requested(2))
print(read(registry))
"""
POOL = """
import multiprocessing

registry = SyncRegistry().connect()
registry.publish(requested(1))

def work(version):
    return registry.publish(requested(version)).event.version

with multiprocessing.get_context("fork").Pool(3) as pool:
    print(sorted(pool.map(work, range(2, 12))))
print(read(registry))
"""
THREADS = """
with SyncRegistry() as registry:
    registry.publish(requested(1))
    child = os.fork()
    if child == 0:
        threads = [threading.Thread(target=registry.publish, args=[requested(version)]) for version in range(2, 10)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        print([thread.name for thread in threading.enumerate() if thread.name == "modelog"])
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    print(read(registry))
"""
FILES = """
import pathlib, tempfile
from modelog import ModelTrained
from modelog.store import Store

folder = pathlib.Path(tempfile.mkdtemp())

def train(name):
    for run in range(10):
        file = folder / f"{name}-{run}"
        file.write_bytes(file.name.encode() * 1000)
        registry.trained(name, run=str(run), files=file)

with SyncRegistry(store=Store.from_env()) as registry:
    train("before")
    child = os.fork()
    train("parent" if child else "child")
    if child == 0:
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    print(len(list(registry.subscribe(ModelTrained, group=None, until="now"))))
"""
CLIENTS = """
from modelog.store import Store

store = Store.from_env()
client = store.client
child = os.fork()
if child == 0:
    print(store.client is client, store.client is store.client, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(store.client is client)
"""
SUBSCRIBED = """
with SyncRegistry() as registry:
    for version in (1, 2):
        registry.publish(requested(version))
    messages = iter(registry.subscribe(PromotionRequested, group="forked"))
    print(next(messages).event.version, flush=True)
    child = os.fork()
    if child == 0:
        try:
            next(messages)
        except RuntimeError as error:
            print(error)
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    print(next(messages).event.version)
"""
ASYNC = """
async def main():
    async with Registry() as registry:
        await registry.publish(requested(1))
        child = os.fork()
        if child:
            assert os.waitpid(child, 0)[1] == 0
            await registry.publish(requested(2))
            print([m.event.version async for m in registry.subscribe(PromotionRequested, group=None, until="now")])
            return
        for call in (registry.publish(requested(3)), registry.serving("fraud"), registry.connect()):
            try:
                await call
            except RuntimeError as error:
                print(error)
        try:
            registry.subscribe(PromotionRequested, group=None)
        except RuntimeError as error:
            print(error, flush=True)
        await registry.close()
        os._exit(0)

asyncio.run(main())
"""
FORKED_WHILE = "opened before the process was forked"


@pytest.fixture
def variables(env: dict[str, str], prefix: str, store: Store) -> dict[str, str]:
    return {**env, "MODELOG_TOPIC_PREFIX": prefix, "MODELOG_S3_BUCKET": store.bucket}


@pytest.mark.parametrize(
    ("program", "printed"),
    [
        (FORKED, "[1, 2, 3]"),
        (UNUSED, "[1, 2]"),
        (POOL, "[2, 3, 4, 5, 6, 7, 8, 9, 10, 11]\n[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]"),
        (FILES, "30"),
        (THREADS, "['modelog']\n[1, 2, 3, 4, 5, 6, 7, 8, 9]"),
    ],
)
def test_a_forked_process_connects_again_and_its_parent_goes_on(
    variables: dict[str, str], program: str, printed: str
) -> None:
    assert run(program, variables) == (0, printed, "")


def test_a_store_shares_no_connection_with_the_parent(variables: dict[str, str]) -> None:
    assert run(CLIENTS, variables) == (0, "False True\nTrue", "")


def test_a_subscription_stays_with_the_parent(variables: dict[str, str]) -> None:
    status, printed, errors = run(SUBSCRIBED, variables)
    first, refusal, second = printed.splitlines()
    assert (status, first, second, errors) == (0, "1", "2", "")
    assert FORKED_WHILE in refusal


def test_an_async_registry_refuses_everything_in_a_forked_process(variables: dict[str, str]) -> None:
    status, printed, errors = run(ASYNC, variables)
    *refusals, last = printed.splitlines()
    assert (status, last, errors) == (0, "[1, 2]", "")
    assert len(refusals) == 4
    assert all(FORKED_WHILE in refusal for refusal in refusals)


async def test_a_registry_and_its_subscriptions_are_not_pickled(
    registry: Registry, sync_registry: SyncRegistry
) -> None:
    for it in (
        registry,
        sync_registry,
        registry.subscribe(ModelPromoted, group=None),
        sync_registry.subscribe(PromotionRequested, group=None),
    ):
        with pytest.raises(TypeError, match="open a registry in each process"):
            pickle.dumps(it)
