"""Health over HTTP, as a probe of an orchestrator asks for it."""

import asyncio
import json
from contextlib import suppress
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from shared.runtime import health, runtime
from shared.runtime.health import Health


def get(url: str) -> tuple[int, str, bytes]:
    """Status, content type and body."""
    try:
        with urlopen(url, timeout=10) as answer:
            return answer.status, answer.headers["content-type"], answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.headers["content-type"], error.read()


def ready(address: str) -> tuple[int, Any]:
    status, kind, body = get(f"{address}/readyz")
    assert kind == "application/json"
    return status, json.loads(body)


@pytest.fixture
def served() -> tuple[Health, str]:
    state = Health()
    return state, state.serve("127.0.0.1", 0)


def test_a_process_without_components_is_not_ready(served: tuple[Health, str]) -> None:
    assert ready(served[1]) == (503, {"ready": False, "components": {}})


def test_a_process_is_ready_when_every_component_is(served: tuple[Health, str]) -> None:
    state, address = served
    state.report("relay", True, "publishes", position=7)
    state.report("ingestion", False, "starting")
    components = {
        "relay": {"ready": True, "detail": "publishes", "position": 7},
        "ingestion": {"ready": False, "detail": "starting"},
    }
    assert ready(address) == (503, {"ready": False, "components": components})
    state.report("ingestion", True, "3 partitions", partitions=3)
    components["ingestion"] = {"ready": True, "detail": "3 partitions", "partitions": 3}
    assert ready(address) == (200, {"ready": True, "components": components})


async def test_a_process_whose_event_loop_is_blocked_is_not_alive_until_it_runs_again(
    served: tuple[Health, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, address = served
    monkeypatch.setattr(health, "DEAD_SECONDS", 0.3)
    monkeypatch.setattr(runtime, "BEAT_SECONDS", 0.01)
    beating = asyncio.create_task(runtime.beat_forever(state))
    try:
        while (await asyncio.to_thread(get, f"{address}/livez"))[0] != 200:
            pass
        for _ in range(2):
            while get(f"{address}/livez")[0] == 200:
                pass  # in the event loop: nothing else runs in it meanwhile
            status, kind, body = get(f"{address}/livez")
            assert (status, kind) == (503, "application/json")
            assert json.loads(body)["event_loop_ran_seconds_ago"] >= 0.3
            while (await asyncio.to_thread(get, f"{address}/livez"))[0] != 200:
                pass
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating


def test_another_address_is_answered_with_the_right_ones(served: tuple[Health, str]) -> None:
    status, _, body = get(f"{served[1]}/health")
    assert status == 404
    assert b"/livez, /readyz or /metrics" in body


def test_the_metrics_say_which_part_is_ready(served: tuple[Health, str]) -> None:
    state, address = served
    for ready in (False, True, False):
        state.report("relay", ready, "")
        assert f'modelog_ready{{component="relay"}} {float(ready)}\n' in get(f"{address}/metrics")[2].decode()


def test_the_metrics_are_those_of_prometheus(served: tuple[Health, str]) -> None:
    status, kind, body = get(f"{served[1]}/metrics")
    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    assert b"# TYPE process_cpu_seconds_total counter" in body
