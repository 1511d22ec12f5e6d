"""compose.yaml, as far as it can be held to a rule without Docker."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from operations.compose import FILE, printed
from shared.runtime.health import Health
from shared.runtime.settings import Settings
from tests.odd_secrets import SECRETS

yaml = pytest.importorskip("yaml", reason="the parser comes with the tools for mutants, and not on every Python")
ROOT = Path(__file__).parents[2]
COMPOSE: Mapping[str, Any] = yaml.safe_load(FILE.read_text())
CONTAINERS: Mapping[str, Mapping[str, Any]] = COMPOSE["services"]
WITHOUT_PROFILE = {name: container for name, container in CONTAINERS.items() if "profiles" not in container}
IMAGE = "${MODELOG_IMAGE:-modelog}"
OURS = {name: container for name, container in WITHOUT_PROFILE.items() if container["image"] == IMAGE}


def shell(*command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command as Docker does: Compose writes $$ for $."""
    found = [part.replace("$$", "$") for part in command]
    return subprocess.run(found, env={"PATH": "/usr/bin:/bin", **env}, capture_output=True, text=True, check=False)


def texts(value: object) -> Iterator[str]:
    """Every text of a YAML value."""
    if isinstance(value, Mapping):
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)
    elif isinstance(value, str):
        yield value


def test_compose_starts_every_service_and_setup() -> None:
    folders = [["services", app.parent.name] for app in ROOT.glob("services/*/app.py")]
    assert sorted(container["command"] for container in OURS.values()) == sorted([*folders, ["operations", "setup"]])
    assert all(name == container["command"][1] for name, container in OURS.items())


def test_a_container_without_a_profile_needs_none_with_a_profile_nor_its_volumes() -> None:
    for container in WITHOUT_PROFILE.values():
        assert container.get("depends_on", {}).keys() <= WITHOUT_PROFILE.keys()
        assert not any(volume.startswith(("observability:", "prometheus:")) for volume in container.get("volumes", ()))


def test_a_container_with_a_profile_needs_no_variable() -> None:
    for name in CONTAINERS.keys() - WITHOUT_PROFILE.keys():
        variables = [found for text in texts(CONTAINERS[name]) for found in re.findall(r"\$\{[^}]+\}", text)]
        assert all(re.fullmatch(r"\$\{\w+:-\w+\}", variable) for variable in variables)


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_is_bounded_and_has_no_right_that_it_does_not_need(name: str) -> None:
    container = CONTAINERS[name]
    assert {"mem_limit", "pids_limit", "restart"} <= container.keys()
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container["logging"]["options"].keys() == {"max-size", "max-file"}
    assert container.get("read_only") is (None if name == "kafka" else True), "Kafka's image writes its configuration"
    assert ("cap_add" in container) is (name == "postgres")
    assert not {"privileged", "network_mode", "pid", "user"} & container.keys()


def test_our_image_is_built_once_and_never_asked_of_a_registry() -> None:
    assert [name for name, container in CONTAINERS.items() if "build" in container] == ["setup"]
    assert {container["pull_policy"] for container in CONTAINERS.values() if container["image"] == IMAGE} == {"never"}


def test_the_printed_file_is_this_one_and_builds_nothing() -> None:
    without_checkout = yaml.safe_load(printed(FILE.read_text()))
    assert without_checkout["services"]["setup"] | {"build": "."} == CONTAINERS["setup"]
    assert not any("build" in container for container in without_checkout["services"].values())
    assert without_checkout | {"services": CONTAINERS} == COMPOSE


def test_images_of_others_are_pinned_to_a_version() -> None:
    images = {container["image"] for container in CONTAINERS.values()} - {IMAGE}
    assert all(re.fullmatch(r"[\w/]+:v?\d+\.\d+(\.\d+)?", image) for image in images)


def test_ports_are_open_to_this_machine_alone_unless_a_person_says_otherwise() -> None:
    published = [port for container in WITHOUT_PROFILE.values() for port in container.get("ports", ())]
    assert len(published) == 3
    assert all(port.startswith("${MODELOG_BIND:-127.0.0.1}:") for port in published)
    without_password = [CONTAINERS[name]["ports"][0] for name in ("prometheus", "grafana")]
    assert all(port.startswith("127.0.0.1:") for port in without_password)
    advertised = CONTAINERS["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert "OUTSIDE://${MODELOG_KAFKA_ADVERTISED:-${MODELOG_BIND:-127.0.0.1}}:" in advertised


def test_the_password_of_the_owner_is_known_to_postgres_and_to_setup_alone() -> None:
    knows = [
        name for name, container in CONTAINERS.items() if any("OWNER_PASSWORD" in text for text in texts(container))
    ]
    assert knows == ["postgres", "setup"]


def test_a_password_is_in_no_address_and_has_no_default() -> None:
    for text in texts(COMPOSE):
        if "://" in text:
            assert "PASSWORD" not in text
            assert "SECRET" not in text
        if "PASSWORD" in text or ("S3" in text and "KEY:" in text):
            assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", text), f"expected a secret that must be set, found {text}"


def test_the_variables_of_a_service_are_settings() -> None:
    known = {f"MODELOG_{name.upper()}" for name in Settings.model_fields}
    for name, container in OURS.items():
        unknown = {variable for variable in container["environment"] if variable.startswith("MODELOG_")} - known
        assert not unknown, f"{name} has settings that modelog does not know"


@pytest.mark.parametrize("secret", SECRETS)
def test_s3_has_the_keys_whatever_characters_they_have(secret: str, tmp_path: Path) -> None:
    """rclone reads them as CSV: a list of pairs, each in quotes."""
    rclone = tmp_path / "rclone"
    rclone.write_text('#!/bin/sh\nprintf %s "$RCLONE_AUTH_KEY"\n')
    rclone.chmod(0o755)
    keys = {"MODELOG_S3_ACCESS_KEY": "modelog", "MODELOG_S3_SECRET_KEY": secret}
    found = shell(*CONTAINERS["s3"]["entrypoint"], **keys, PATH=f"{tmp_path}:/usr/bin:/bin")
    assert next(csv.reader([found.stdout])) == [f"modelog,{secret}"]


def test_s3_ends_with_a_sentence_where_its_keys_have_a_comma() -> None:
    found = shell(*CONTAINERS["s3"]["entrypoint"], MODELOG_S3_ACCESS_KEY="modelog", MODELOG_S3_SECRET_KEY="a,b")
    assert (found.returncode, found.stderr) == (1, "expected S3 keys without a comma, found a comma: choose others\n")


@pytest.mark.skipif(shutil.which("bash") is None, reason="the images have bash")
def test_a_container_is_healthy_while_its_service_is_ready() -> None:
    health = Health()
    port = health.serve("127.0.0.1", 0).rpartition(":")[2]
    command, *arguments = CONTAINERS["relay"]["healthcheck"]["test"][1:]
    line = [command, *(part.replace("/8000", f"/{port}") for part in arguments)]
    health.beat()
    for ready in (True, False, True):
        health.report("relay", ready, "")
        assert (shell(*line).returncode == 0) is ready
    closed = [command, *(part.replace("/8000", "/1") for part in arguments)]
    assert shell(*closed).returncode != 0
