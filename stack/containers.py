"""The same servers in Docker, for tests: images of compose.yaml, settings of the servers without Docker."""

import secrets
import subprocess
import sys
from collections.abc import Mapping
from types import MappingProxyType

from docker.errors import DockerException
from testcontainers.core.docker_client import DockerClient
from typing_extensions import override

from stack import images, probes, reaper
from stack.addresses import Addresses
from stack.checkout import ROOT
from stack.container import WITHOUT_DOCKER, Container
from stack.engine import engine_problem
from stack.kafka import BROKER, CLUSTER
from stack.postgres import INITDB, OWNER, READER, SERVICE, SETTINGS
from stack.s3 import auth_key
from stack.servers import Name, Servers
from stack.terminal import StackError

REMOVE_SECONDS = 60.0
S3_KEY = "modelog"


class Containers(Servers):
    """Those of three containers, which are removed when they are closed, or when this process dies."""

    def __init__(self) -> None:
        if problem := engine_problem():
            raise StackError(f"{problem} {WITHOUT_DOCKER}")
        self.id = secrets.token_hex(8)
        try:
            self._client = DockerClient()
            reaper.remove_leftovers(self._client)
        except DockerException as error:
            raise StackError(f"The Docker engine did not do what was asked: {error}. {WITHOUT_DOCKER}") from error
        labels = {reaper.STACK: self.id, reaper.OWNER: reaper.owner()}
        self._reaper = subprocess.Popen(
            [sys.executable, "-m", reaper.__name__, self.id],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._postgres = Postgres(self._client, labels)
        self._kafka = Kafka(self._client, labels)
        self._s3 = S3(self._client, labels)
        self.all: Mapping[Name, Container] = {"kafka": self._kafka, "postgres": self._postgres, "s3": self._s3}

    @property
    @override
    def addresses(self) -> Addresses:
        return Addresses(
            kafka=self._kafka.address,
            postgres=self._postgres.url(SERVICE),
            postgres_owner=self._postgres.url(OWNER),
            postgres_reader=self._postgres.url(READER),
            s3_endpoint=self._s3.endpoint,
            s3_access_key=S3_KEY,
            s3_secret_key=self._s3.secret,
        )

    @override
    def close(self) -> None:
        """Remove the containers with their data."""
        self._client.client.close()
        try:
            _, errors = self._reaper.communicate(timeout=REMOVE_SECONDS)
        except subprocess.TimeoutExpired:
            self._reaper.kill()
            self._reaper.communicate()
            errors = f"nothing happened within {REMOVE_SECONDS:.0f} s"
        if self._reaper.returncode:
            reason = errors.strip().splitlines()[-1:] or ["no reason was printed"]
            raise StackError(
                f"The containers of this run were not removed ({reason[0]}); to remove them: "
                f"docker rm --force --volumes $(docker ps --all --quiet --filter label={reaper.STACK}={self.id})"
            )


class Kafka(Container):
    """Kafka, with the same settings as without Docker."""

    name = "kafka"
    image = images.KAFKA
    memory, max_processes = "2g", 1024

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @override
    def environment(self) -> Mapping[str, str]:
        # For transactions the broker connects to itself, at the address that it gives to clients.
        settings = {
            **BROKER,
            "controller.quorum.voters": "1@127.0.0.1:9093",
            "listeners": f"PLAINTEXT://:{self.port},CONTROLLER://:9093",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "log.dirs": "/var/lib/kafka/data",
        }
        return {f"KAFKA_{key.upper().replace('.', '_')}": str(settings[key]) for key in settings} | {
            "CLUSTER_ID": CLUSTER,
            "KAFKA_HEAP_OPTS": "-Xmx512m",
            "KAFKA_JVM_PERFORMANCE_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",  # it starts in half the time
        }

    @override
    def ask(self) -> None:
        probes.kafka(self.address)


class Postgres(Container):
    """Postgres with an owner and a database, and names for two more logins, which `operations setup` makes."""

    name = "postgres"
    image = images.POSTGRES
    inside = 5432
    command = tuple(text for key, value in SETTINGS.items() for text in ("-c", f"{key}={value}"))
    memory, max_processes = "2g", 512
    options = MappingProxyType({"shm_size": "256m"})

    def __init__(self, client: DockerClient, labels: Mapping[str, str]) -> None:
        super().__init__(client, labels)
        self._passwords = {user: secrets.token_hex(16) for user in (OWNER, SERVICE, READER)}

    def url(self, user: str) -> str:
        """The URL of this login, with the password."""
        return f"postgresql://{user}:{self._passwords[user]}@127.0.0.1:{self.port}/modelog"

    @override
    def environment(self) -> Mapping[str, str]:
        return {
            "POSTGRES_USER": OWNER,
            "POSTGRES_PASSWORD": self._passwords[OWNER],
            "POSTGRES_DB": "modelog",
            "POSTGRES_INITDB_ARGS": " ".join(INITDB),
        }

    @override
    def ask(self) -> None:
        probes.postgres(self.url(OWNER))


class S3(Container):
    """rclone, which serves a folder of its container by the S3 protocol."""

    name = "s3"
    image = images.S3
    inside = 8080
    command = ("serve", "s3", "--addr", f":{inside}", "/data")
    memory, max_processes = "1g", 512

    def __init__(self, client: DockerClient, labels: Mapping[str, str]) -> None:
        super().__init__(client, labels)
        self.secret = secrets.token_hex(16)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @override
    def environment(self) -> Mapping[str, str]:
        return {"RCLONE_AUTH_KEY": auth_key(S3_KEY, self.secret)}

    @override
    def ask(self) -> None:
        probes.s3(self.endpoint, S3_KEY, self.secret)
