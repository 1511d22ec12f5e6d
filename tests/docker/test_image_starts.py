"""How a container of the image starts and ends, as `docker run` does it: without compose.yaml and without an init."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from operations.__main__ import COMMANDS
from services import names
from stack.waiting import wait_until
from tests.docker.image import BOUND, UNREACHABLE, Image, docker, printed

pytestmark = pytest.mark.docker

GRACE_SECONDS = "60"
KILLED = 137
TERMINATED = 143
SETTINGS = tuple(part for name, value in UNREACHABLE.items() for part in ("--env", f"{name}={value}"))


@pytest.fixture
def container() -> Iterator[str]:
    """The name of a container that is removed when the test ends."""
    name = "modelog-test-image"
    yield name
    docker("rm", "--force", "--volumes", name)


def start(image: Image, container: str, *arguments: str) -> None:
    """Start it without rights and without an init, with settings of servers that do not answer."""
    printed(docker("run", "--detach", "--name", container, *BOUND, *SETTINGS, image.name, *arguments))


def stop(container: str) -> int:
    """The status with which it ends after SIGTERM; 137 when it had to be killed."""
    printed(docker("stop", "--time", GRACE_SECONDS, container))
    return int(printed(docker("inspect", "--format", "{{.State.ExitCode}}", container)))


def logs(container: str) -> str:
    """What it wrote."""
    found = docker("logs", container)
    return found.stdout + found.stderr


@pytest.mark.parametrize("arguments", [[], ["services"], ["services", "relay"], ["operations", "setup"]])
def test_a_container_without_settings_ends_with_a_sentence(image: Image, arguments: list[str]) -> None:
    found = image.run(*arguments)
    assert found.returncode not in (0, KILLED)
    assert (found.stdout + found.stderr).startswith("expected MODELOG_KAFKA_SERVERS and MODELOG_POSTGRES_URL in the")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["garbage"], "expected `services [NAME …]` or `operations COMMAND …`"),
        (["-c", "print()"], "expected `services [NAME …]` or `operations COMMAND …`"),
        (["services", "garbage"], "there is no service garbage"),
        (["operations", "garbage"], "there is no command 'garbage'"),
    ],
)
def test_a_container_with_an_unknown_name_ends_with_a_sentence(
    image: Image, arguments: list[str], sentence: str
) -> None:
    found = image.run(*arguments)
    assert found.returncode == 2
    assert sentence in found.stderr
    assert "Traceback" not in found.stderr


def test_the_image_lists_its_services_and_commands(image: Image) -> None:
    assert "services" in printed(image.run("--help"))
    services = printed(image.run("services", "--help"))
    assert all(name in services for name in names())
    found = image.run("operations")
    assert all(f"\n  {command}" in found.stdout for command in COMMANDS)
    image.python(
        f"from importlib import import_module\nfor name in {list(COMMANDS)}: import_module('operations.' + name)"
    )


def test_every_service_starts_without_rights_and_ends_in_good_order(
    image: Image, container: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = time.monotonic()
    start(image, container, "services")

    def all_started() -> bool:
        written = logs(container)
        return all(f'"component": "{name}"' in written for name in names())

    wait_until(all_started, "every service to start", seconds=60, every=0.1)
    seconds = time.monotonic() - begin
    assert stop(container) == 0
    assert '"event": "stopped"' in logs(container)
    with capsys.disabled():
        print(f"\nimage: a container with every service has started after {seconds:.1f} s")


@pytest.mark.parametrize("arguments", [["services", "relay"], ["operations", "setup"]])
def test_a_container_that_is_stopped_while_it_starts_ends_at_once(
    image: Image, container: str, arguments: list[str]
) -> None:
    """Linux drops SIGTERM of a container's first process where that has no handler yet, and Docker kills it later."""
    start(image, container, *arguments)
    wait_until(lambda: handles_sigterm(container), "a handler of SIGTERM", seconds=60, every=0.01)
    assert stop(container) in (0, TERMINATED)
    assert "Traceback" not in logs(container)


def handles_sigterm(container: str) -> bool:
    """Whether the container's first process has a handler of signal 15; True also when it has ended."""
    found = docker("exec", container, "grep", "SigCgt", "/proc/1/status")
    return found.returncode != 0 or bool(int(found.stdout.split()[1], 16) & 1 << 14)
