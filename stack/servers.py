"""The three servers: started together, and each can be stopped, killed and started again."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, Protocol, Self

from typing_extensions import override

from stack.account import temporary_folder
from stack.addresses import Addresses
from stack.kafka import Kafka
from stack.postgres import Postgres, postgres_home
from stack.s3 import S3
from stack.secured_kafka import SecuredKafka
from stack.server import Server
from stack.terminal import StackError

Name = Literal["kafka", "postgres", "s3"]
MIN_FREE_BYTES = 1024**3


class Startable(Protocol):
    """A server: a process on this machine, or a container."""

    @property
    def pid(self) -> int | None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


class Servers(ABC):
    """Kafka, Postgres and S3 for the time of a `with` block; they belong to this process alone."""

    all: Mapping[Name, Startable]

    @property
    @abstractmethod
    def addresses(self) -> Addresses:
        """Where they answer, also after they were started again."""

    @abstractmethod
    def close(self) -> None:
        """End all three."""

    def start(self, name: Name) -> None:
        """Start this server again, at the same port on the same data."""
        self.all[name].start()

    def stop(self, name: Name) -> None:
        """Ask this server to end, and wait for that."""
        self.all[name].stop()

    def kill(self, name: Name) -> None:
        """SIGKILL this server, as when its machine fails."""
        self.all[name].kill()

    def pid(self, name: Name) -> int | None:
        """The process of this server, while it runs."""
        return self.all[name].pid

    def __enter__(self) -> Self:
        try:
            in_parallel(server.start for server in self.all.values())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class NativeServers(Servers):
    """Those of this machine, in a folder that is kept, or in a fresh one that is deleted with them.

    A `secured` Kafka has TLS, passwords and access control; the addresses are then those of its user `services`, who
    may do nothing before `operations acls` allows it.
    """

    all: Mapping[Name, Server]

    def __init__(self, directory: Path | None = None, *, secured: bool = False) -> None:
        self.directory = directory.resolve() if directory else temporary_folder()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._erase = directory is None
        if shutil.disk_usage(self.directory).free < MIN_FREE_BYTES:
            raise StackError(
                f"Less than 1 GB is free on the disk of {self.directory}: free some space for the servers."
            )
        self._kafka = (SecuredKafka if secured else Kafka)(self.directory / "kafka", erase=self._erase)
        self._postgres = Postgres(self.directory / "postgres", erase=self._erase)
        self._s3 = S3(self.directory / "s3", erase=self._erase)
        self.all = {"kafka": self._kafka, "postgres": self._postgres, "s3": self._s3}

    @property
    @override
    def addresses(self) -> Addresses:
        return Addresses(
            self._kafka.address,
            self._postgres.url,
            self._s3.endpoint,
            *self._s3.keys,
            postgres_owner=self._postgres.owner_url,
            postgres_reader=self._postgres.reader_url,
            kafka_security=self._kafka.security(),
        )

    def repair(self) -> Iterator[str]:
        """Start again what has ended or does not answer; a sentence for each. Raise StackError where that fails."""
        for server in self.all.values():
            if sentence := server.repair():
                yield sentence

    @override
    def close(self) -> None:
        """End all three; a fresh folder is deleted."""
        # Asking first keeps the data whole. Where it is deleted, only Postgres needs that, to free its shared memory.
        kill = {"kafka", "s3"} if self._erase else set()
        try:
            in_parallel(server.kill if name in kill else server.stop for name, server in self.all.items())
        finally:
            if self._erase:
                erase(self.directory)


def erase(directory: Path) -> None:
    """Delete the data of servers in this folder."""
    postgres = postgres_home(directory / "postgres")
    shutil.rmtree(directory, ignore_errors=True)
    if directory not in postgres.parents:
        shutil.rmtree(postgres.parent, ignore_errors=True)


def in_parallel(actions: Iterable[Callable[[], None]]) -> None:
    """Do all at once, wait for all, then raise the first failure."""
    with ThreadPoolExecutor() as pool:
        running = [pool.submit(action) for action in actions]
    for action in running:
        action.result()
