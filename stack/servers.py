"""The three servers of this machine: started together, and each can be stopped, killed and started again."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, Self

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


class Servers:
    """Kafka, Postgres and S3 of this machine, in a folder that is kept, or in a fresh one that is deleted with them.

    A `secured` Kafka has TLS, passwords and access control; the addresses are then those of its user `services`, who
    may do nothing before `operations acls` allows it.
    """

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
        self._all: dict[Name, Server] = {"kafka": self._kafka, "postgres": self._postgres, "s3": self._s3}

    @property
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

    def start(self, name: Name) -> None:
        """Start this server again, at the same port on the same data."""
        self._all[name].start()

    def stop(self, name: Name) -> None:
        """Ask this server to end, and wait for that."""
        self._all[name].stop()

    def kill(self, name: Name) -> None:
        """SIGKILL this server, as when its machine fails."""
        self._all[name].kill()

    def pid(self, name: Name) -> int | None:
        """The process of this server, while it runs."""
        return self._all[name].pid

    def repair(self) -> Iterator[str]:
        """Start again what has ended or does not answer; a sentence for each. Raise StackError where that fails."""
        for server in self._all.values():
            if sentence := server.repair():
                yield sentence

    def __enter__(self) -> Self:
        try:
            in_parallel(server.start for server in self._all.values())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all three; a fresh folder is deleted."""
        # Asking first keeps the data whole. Where it is deleted, only Postgres needs that, to free its shared memory.
        kill = {"kafka", "s3"} if self._erase else set()
        try:
            in_parallel(server.kill if name in kill else server.stop for name, server in self._all.items())
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
