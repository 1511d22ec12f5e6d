"""A single container: its port, what is left of a run, and sentences for what goes wrong."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator, Mapping

import pytest
from testcontainers.core.docker_client import DockerClient

from stack import StackError, images, reaper
from stack.containers import S3
from stack.ports import free_port
from stack.reaper import OWNER, STACK
from tests.docker.labelled import labelled
from tests.docker.project import docker

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def client() -> Iterator[DockerClient]:
    client = DockerClient()
    yield client
    client.client.close()


@pytest.fixture
def labels(client: DockerClient) -> Iterator[Mapping[str, str]]:
    """Those of this test's containers, which are removed after it."""
    stack = secrets.token_hex(8)
    yield {STACK: stack, OWNER: reaper.owner()}
    if left := labelled(stack):
        docker("rm", "--force", "--volumes", *left)


def test_a_server_gets_another_port_where_a_program_took_its_port_first(
    client: DockerClient, labels: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        ports = iter([other.getsockname()[1], free_port()])
        monkeypatch.setattr("stack.container.free_port", lambda: next(ports))
        server = S3(client, labels)
        server.start()
    assert not list(ports)
    assert len(labelled(labels[STACK])) == 1, "the container that could not start is removed"


def test_a_port_that_is_taken_while_a_server_is_stopped_is_a_sentence(
    client: DockerClient, labels: Mapping[str, str]
) -> None:
    server = S3(client, labels)
    server.start()
    server.stop()
    with socket.create_server(("127.0.0.1", server.port)), pytest.raises(StackError, match="S3 could not be started"):
        server.start()


def test_an_image_that_cannot_be_pulled_is_a_sentence(
    client: DockerClient, labels: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(S3, "image", "localhost:1/nowhere:1.0")
    with pytest.raises(
        StackError, match=r"S3 needs the image localhost:1/nowhere:1\.0, which is not here and could not"
    ):
        S3(client, labels).start()


def test_a_server_that_ends_at_its_start_is_a_sentence_with_its_last_lines(
    client: DockerClient, labels: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(S3, "command", ("serve", "nothing"))
    with pytest.raises(StackError, match=r"S3 ended while starting; its log ends with: .*unknown protocol"):
        S3(client, labels).start()


@pytest.mark.parametrize(
    ("owner", "left"),
    [
        ({"pid": 1, "started": 1.0}, 0),
        ({"machine": "another"}, 1),
        ({}, 1),
    ],
)
def test_what_a_run_left_is_removed_by_the_next_once_its_owner_has_ended(
    client: DockerClient, labels: Mapping[str, str], owner: Mapping[str, object], left: int
) -> None:
    changed = json.dumps(json.loads(labels[OWNER]) | owner)
    docker("create", "--label", f"{STACK}={labels[STACK]}", "--label", f"{OWNER}={changed}", images.S3)
    reaper.remove_leftovers(client)
    assert len(labelled(labels[STACK])) == left
