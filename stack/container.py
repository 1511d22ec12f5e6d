"""A server in a container: its settings, its port on this machine, its data, which is removed with it."""

import re
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any, ClassVar

from docker.errors import APIError, DockerException, ImageNotFound
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from stack.ports import free_port, is_free
from stack.terminal import StackError, print_line
from stack.waiting import wait_until

START_SECONDS = 120.0
STOP_SECONDS = 30
CLOSES_SECONDS = 0.1
MAX_PORTS_TRIED = 5
WITHOUT_DOCKER = "MODELOG_STACK=native works without Docker."
testcontainers_config.ryuk_disabled = (
    True  # `reaper` is a process, and not a container more that gets the engine's socket
)
PORT_TAKEN = re.compile(r"port is already allocated|address already in use|ports are not available", re.IGNORECASE)


class Container(ABC):
    """It is made at its first start, and started again at the same port on the same data."""

    name: ClassVar[str]
    image: ClassVar[str]
    inside: ClassVar[int | None] = None
    """The port on which the server listens in its container; None is the same as on this machine."""
    command: Sequence[str] = ()
    memory: ClassVar[str]
    max_processes: ClassVar[int]
    options: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """More arguments of Docker's Python library."""

    def __init__(self, client: DockerClient, labels: Mapping[str, str]) -> None:
        self._client = client
        self._labels = labels
        self._container: Any = None
        self.port = 0

    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """The variables of the container, once its port on this machine is known."""

    @abstractmethod
    def ask(self) -> None:
        """Ask something that only a server ready for work answers; raise otherwise."""

    @property
    def title(self) -> str:
        """Its name in sentences."""
        return self.name.capitalize()

    @property
    def pid(self) -> int | None:
        """The process of the server by the engine's count, while it runs."""
        return self._state()["Pid"] or None if self._container else None

    def start(self) -> None:
        """Start it, and return when it answers."""
        if self._container is None:
            self._pull()
            self._start_at_a_free_port()
        else:
            with self._sentence("could not be started again"):
                self._container.start()
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Ask the server to end, and wait for that."""
        self._container.stop(timeout=STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL the server, as when its machine fails."""
        if self.pid:
            self._container.kill()
        self._container.wait()

    def _pull(self) -> None:
        images = self._client.client.images
        try:
            images.get(self.image)
        except ImageNotFound:
            print_line(f"Pulling {self.image}.")
            with self._sentence(f"needs the image {self.image}, which is not here and could not be pulled"):
                images.pull(self.image)

    def _start_at_a_free_port(self) -> None:
        # Not a port that the engine chooses: Kafka has to know it before its start, and the engine's are those that
        # the kernel gives to outgoing connections, see `ports`. So another program may take it first.
        for tried in range(1, MAX_PORTS_TRIED + 1):
            self.port = free_port()
            with self._sentence("could not be started"):
                made = self._made()
                try:
                    made.start()
                except APIError as error:
                    made.stop()
                    if tried < MAX_PORTS_TRIED and (PORT_TAKEN.search(str(error)) or not is_free(self.port)):
                        continue
                    raise
            self._container = made.get_wrapped_container()
            return

    def _made(self) -> DockerContainer:
        made = DockerContainer(
            self.image,
            command=list(self.command),  # type: ignore[arg-type]  # it takes a list as well
            env=dict(self.environment()),
            labels=dict(self._labels),
            mem_limit=self.memory,
            pids_limit=self.max_processes,
            **self.options,
        )
        # `with_bind_ports` would open the port to other machines.
        made.ports = {self.inside or self.port: ("127.0.0.1", self.port)}  # type: ignore[dict-item]
        return made

    def _wait_until_it_answers(self) -> None:
        def answered() -> bool:
            if self.pid:
                self._connect()
                self.ask()
            return True

        try:
            wait_until(answered, f"{self.title} to answer", seconds=START_SECONDS, every=0.1, not_yet=Exception)
        except TimeoutError as error:
            raise StackError(
                f"{error}; nothing answers at 127.0.0.1:{self.port}, though its container runs; "
                f"its log ends with: {self.last_lines()}. {WITHOUT_DOCKER}"
            ) from error
        if not self.pid:
            raise StackError(f"{self.title} ended while starting; its log ends with: {self.last_lines()}")

    def _connect(self) -> None:
        # The engine accepts connections before the server does, and closes them; Kafka's client would log each.
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.settimeout(CLOSES_SECONDS)
            with suppress(TimeoutError):
                if not connection.recv(1):
                    raise ConnectionError("it does not listen yet")

    def last_lines(self) -> str:
        """The last three lines of its log with text, which show the reason of a failure."""
        lines = self._container.logs(tail=20).decode(errors="replace").splitlines()
        return " / ".join([line.strip() for line in lines if line.strip()][-3:]) or "its log is empty"

    def _state(self) -> Mapping[str, Any]:
        self._container.reload()
        state: Mapping[str, Any] = self._container.attrs["State"]
        return state

    @contextmanager
    def _sentence(self, what: str) -> Iterator[None]:
        """Let an error of the engine be a StackError."""
        try:
            yield
        except (DockerException, OSError) as error:
            reason = getattr(error, "explanation", None) or error
            raise StackError(f"{self.title} {what}: {reason}. {WITHOUT_DOCKER}") from error
