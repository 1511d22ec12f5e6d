"""With MODELOG_STACK=docker the tests of this run use containers, and nothing else."""

from __future__ import annotations

import os
import subprocess

import pytest

from stack import Addresses, images
from tests.on_containers import PROPERTY

pytestmark = pytest.mark.skipif(os.environ.get("MODELOG_STACK") != "docker", reason="the servers are no containers")


def test_the_servers_of_the_tests_are_containers_with_the_label_of_a_run(stack: Addresses) -> None:
    listed = subprocess.run(
        ["docker", "ps", "--filter", "label=modelog.stack", "--format", "{{.Image}} {{.Ports}}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    ports = (stack.kafka, stack.owner.rpartition("@")[2].partition("/")[0], stack.s3_endpoint.removeprefix("http://"))
    for image, port in zip((images.KAFKA, images.POSTGRES, images.S3), ports, strict=True):
        assert any(line.startswith(f"{image} ") and f"{port}->" in line for line in listed), (image, port, listed)


def test_a_test_that_uses_servers_is_counted(stack: Addresses, request: pytest.FixtureRequest) -> None:
    assert (PROPERTY, True) in request.node.user_properties
