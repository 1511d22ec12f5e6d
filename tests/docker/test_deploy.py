"""Every command of docs/deploy.md in its order, and the Python of README against the containers that they start."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from stack.ports import free_port
from tests.docker.checkouts import LIMIT_SECONDS, ROOT, Checkout
from tests.docker.pages import blocks, served
from tests.e2e.test_readme import snippet

pytestmark = pytest.mark.docker
PAGE = ROOT / "docs" / "deploy.md"
COMMANDS, FILES = blocks(PAGE, "sh"), blocks(PAGE, "yaml")
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
CONTAINERS = [name for name, service in SERVICES.items() if "profiles" not in service]
RUN_HERE = ["Compose in five minutes", "Back up", "Upgrade", "Stop, remove", "Restore"]
DEPLOYER = """
from modelog import ModelPromoted, SyncRegistry
with SyncRegistry() as registry:
    message = next(iter(registry.subscribe(ModelPromoted, group="in-a-container")))
    files = registry.download(message.event, into="/tmp/served")
    print(f"{message.event.version} is served here")
"""


@dataclass(frozen=True)
class Deployment:
    """The folder of a person without a checkout, the containers of its compose.yaml, and the shell of that person."""

    containers: Checkout
    shell: Mapping[str, str]

    @property
    def folder(self) -> Path:
        return self.containers.folder

    def own(self, text: str) -> str:
        """The text with names of this test's own: a person's image and containers are left alone."""
        for before in ("--tag modelog ", "--rm modelog ", "image: modelog "):
            text = text.replace(before, before.replace("modelog", self.containers.image))
        return text.replace("modelog_default", f"{self.containers.project}_default")

    def run(self, *commands: str, env: Mapping[str, str] | None = None) -> str:
        """What a shell prints that runs these commands one after the other; all of them must succeed."""
        script = "\n".join(self.own(command) for command in commands)
        ended = subprocess.run(
            ["sh", "-euc", script],
            cwd=self.folder,
            env=dict(env or self.shell),
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, f"{ended.stdout[-2_000:]}\n{ended.stderr[-2_000:]}"
        return ended.stdout

    def in_container(self, name: str, script: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run a shell in a container that runs."""
        return self.containers.run("docker", "compose", "exec", "-T", *options, name, "sh", "-c", script)

    def start(self, script: str) -> subprocess.Popen[str]:
        """A Python program with the SDK that the page installs."""
        python = [str(self.folder / ".venv/bin/python"), "-u", "-c", script]
        return subprocess.Popen(python, cwd=self.folder, env=dict(self.shell), stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """What is there after the five minutes."""
    folder = tmp_path_factory.mktemp("deploy")
    (folder / "registry").mkdir()
    containers = Checkout(folder / "registry", f"modelog-test-{secrets.token_hex(3)}")
    with served(folder) as repository:
        person = Deployment(containers, containers.env | {"REPOSITORY": repository})
        build, build_without_checkout, write, *others = COMMANDS[RUN_HERE[0]]
        try:
            person.run("cd ../checkout", build)
            person.run(build_without_checkout, write)
            choose_names_and_ports(containers)
            exported = person.run("exec 3>&1 >&2", *others, "env -0 >&3")
            yield Deployment(containers, dict(line.split("=", 1) for line in exported.split("\0") if line))
        finally:
            containers.run("docker", "compose", "down", "--volumes", "--timeout", "5")
            containers.run("docker", "image", "rm", "--force", containers.image)


def choose_names_and_ports(containers: Checkout) -> None:
    """Change the new `.env` as a person does who has a registry on this machine already."""
    file = containers.folder / ".env"
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    for port in ("9094", "5432", "8080"):
        assert f'"{port}"' in text
        text = text.replace(f'"{port}"', f'"{free_port()}"')
    file.write_text(f'{text}COMPOSE_PROJECT_NAME="{containers.project}"\nMODELOG_IMAGE="{containers.image}"\n')


def test_every_block_of_the_page_is_run_here() -> None:
    assert [title for title in COMMANDS if title in RUN_HERE] == RUN_HERE
    assert set(COMMANDS) == set(RUN_HERE)
    assert list(FILES) == ["From other containers, from other machines"]


def test_readme_publishes_and_subscribes(deployment: Deployment) -> None:
    (deployment.folder / "model.joblib").write_bytes(b"\x80\x04N.")
    with deployment.start(snippet("Subscribe")) as subscriber, deployment.start(snippet("Publish")) as publisher:
        try:
            assert publisher.wait(LIMIT_SECONDS) == 0
            assert subscriber.stdout
            assert subscriber.stdout.readline().startswith("1 instead of None")
        finally:
            subscriber.kill()
    served_bytes = (deployment.folder / "served/fraud/1/model.joblib").read_bytes()
    assert served_bytes == (deployment.folder / "model.joblib").read_bytes()


def test_a_container_of_others_joins_the_network(deployment: Deployment) -> None:
    folder = deployment.folder / "deployer"
    folder.mkdir()
    (folder / "compose.yaml").write_text(deployment.own(FILES["From other containers, from other machines"][0]))
    (folder / "deployer.py").write_text(DEPLOYER)
    another = f"{deployment.containers.project}-deployer"
    printed = deployment.run(f"cd deployer && docker compose --project-name {another} run --rm deployer")
    assert printed == "1 is served here\n"


def test_no_port_is_open_to_other_machines(deployment: Deployment) -> None:
    network = deployment.containers.docker("network", "inspect", f"{deployment.containers.project}_default")
    here = json.loads(network)[0]["IPAM"]["Config"][0]["Gateway"]
    containers = deployment.containers.containers()
    bindings = [port for found in containers.values() for port in found["NetworkSettings"]["Ports"].values() if port]
    assert len(bindings) == 3
    for (binding,) in bindings:
        assert binding["HostIp"] == "127.0.0.1"
        port = int(binding["HostPort"])
        socket.create_connection(("127.0.0.1", port)).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((here, port))


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_is_bounded(deployment: Deployment, name: str) -> None:
    host = deployment.containers.containers()[name]["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "5"}}
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert host["RestartPolicy"]["Name"] == ("no" if name == "setup" else "unless-stopped")
    assert host["ReadonlyRootfs"] is (name != "kafka")
    assert not host["Privileged"]


@pytest.mark.parametrize("name", ["kafka", "postgres", "s3", "relay", "ingestion"])
def test_a_process_can_gain_no_right(deployment: Deployment, name: str) -> None:
    status = deployment.in_container(name, "cat /proc/1/status").stdout
    rights = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    assert rights["NoNewPrivs"] == "1"
    assert rights["Seccomp"] == "2"
    assert int(rights["CapEff"], 16) == 0
    assert (int(rights["CapBnd"], 16) == 0) is (name != "postgres")
    for attempt in ("mount -t tmpfs none /mnt", "chroot /", "chown 1 /etc/passwd"):
        assert deployment.in_container(name, attempt, "--user", "root").returncode != 0


@pytest.mark.parametrize("name", ["postgres", "s3", "relay", "ingestion"])
def test_nobody_writes_outside_of_the_folders_for_that(deployment: Deployment, name: str) -> None:
    for folder in ("/", "/etc", "/usr/bin"):
        refused = deployment.in_container(name, f"touch {folder}/file", "--user", "root")
        assert "Read-only file system" in refused.stderr


def test_the_folder_for_short_files_is_bounded(deployment: Deployment) -> None:
    filled = deployment.in_container("parked", "head -c 100M /dev/zero > /tmp/file; rm /tmp/file; exit 1")
    assert "No space left on device" in filled.stderr


def test_the_number_of_processes_is_bounded(deployment: Deployment) -> None:
    started = deployment.in_container("parked", "for n in $(seq 300); do sleep 5 & done; kill $(jobs -p)")
    assert "Cannot fork" in started.stderr


def test_the_page_backs_up_upgrades_removes_and_restores(deployment: Deployment) -> None:
    ask = next(command for command in COMMANDS[RUN_HERE[0]] if "psql" in command)
    deployment.run(*COMMANDS["Back up"])
    assert (deployment.folder / "modelog.dump").read_bytes().startswith(b"PGDMP")
    assert "modelog/blobs/sha256/" in deployment.run("tar -tf s3.tar")
    deployment.run(*COMMANDS["Upgrade"])
    assert "fraud" in (serving := deployment.run(ask))
    stop, remove = COMMANDS["Stop, remove"]
    deployment.run(stop)
    assert not deployment.containers.containers()
    deployment.run(remove)
    label = f"label=com.docker.compose.project={deployment.containers.project}"
    assert deployment.containers.docker("volume", "ls", "--quiet", "--filter", label) == ""
    deployment.run(*COMMANDS["Restore"])
    assert deployment.run(ask) == serving
    downloads = deployment.start(snippet("Subscribe").replace("served/", "restored/"))
    with downloads:
        assert downloads.stdout
        assert downloads.stdout.readline().startswith("1 instead of None")
        downloads.kill()
