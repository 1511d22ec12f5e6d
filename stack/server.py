"""A server on this machine: its folder, its port, its process."""

import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM, Signals
from typing import ClassVar

import psutil

from stack.account import Account
from stack.ports import is_free, kept_port
from stack.supervisor import Guarded
from stack.supervisor.identity import Identity, wait_for_earlier
from stack.terminal import StackError
from stack.waiting import wait_until

START_SECONDS = 60.0
END_SECONDS = 30.0
"""For the server of an owner that was killed: its guard kills it after 20."""
REPAIR_SECONDS = 20.0
"""For what a killed server leaves, as Postgres its shared memory, to go away."""
ANSWER_SECONDS = 10.0
"""A server that runs and does not answer for so long is repaired."""


class Server(ABC):
    """A server with a folder of its own, `home`, in which its port and its data are kept."""

    name: ClassVar[str]
    stop_signal: Signals = SIGTERM
    account: Account | None = None

    def __init__(self, home: Path, *, erase: bool) -> None:
        self.home = home
        self._erase = erase
        self._process: Guarded | None = None
        home.mkdir(parents=True, exist_ok=True)
        wait_for_earlier(self.title, home / "process", END_SECONDS)
        self.port = kept_port(home / "port")

    @abstractmethod
    def prepare(self) -> None:
        """Prepare what a first start needs; called before each start."""

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

    @abstractmethod
    def ask(self) -> None:
        """Ask something that only a server ready for work answers; raise otherwise."""

    def env(self) -> Mapping[str, str] | None:
        """The environment of the program; None is the environment of this process."""
        return None

    @property
    def title(self) -> str:
        """Its name in sentences."""
        return self.name.capitalize()

    @property
    def pid(self) -> int | None:
        """The real server's process, while it runs."""
        return self._process.pid if self._process and self._process.alive else None

    def start(self) -> None:
        """Start at the same port on the same data, and return when it answers."""
        if self.pid:
            return
        self.prepare()
        if not is_free(self.port):
            raise StackError(f"Port {self.port} of {self.title} is taken by another program.")
        self._process = Guarded(
            self.command(),
            self.home / "log",
            env=self.env(),
            account=self.account,
            stop=self.stop_signal,
            erase=self.home if self._erase else None,
        )
        with suppress(psutil.NoSuchProcess):  # it has ended already: the next line finds out why
            Identity.of(self._process.pid).write(self.home / "process")
        self._wait_until_it_answers()

    def repair(self) -> str | None:
        """Start it again if it has ended or does not answer; return a sentence about that."""
        if self.pid is None:
            reason = "had ended"
        elif not self._answers():
            reason = "did not answer"
            self.kill()
        else:
            return None
        wait_until(self._starts, f"{self.title} to start again", seconds=REPAIR_SECONDS, every=0.5, not_yet=StackError)
        return f"{self.title} {reason}: started again."

    def _starts(self) -> bool:
        self.start()
        return True

    def _answers(self) -> bool:
        try:
            wait_until(self._asked, f"{self.title} to answer", seconds=ANSWER_SECONDS, every=0.5, not_yet=Exception)
        except TimeoutError:
            return False
        return True

    def _asked(self) -> bool:
        self.ask()
        return True

    def stop(self) -> None:
        """Ask it to end, and wait for that."""
        if self._process:
            self._process.stop()

    def kill(self) -> None:
        """SIGKILL it."""
        if self._process:
            self._process.kill()

    def _wait_until_it_answers(self) -> None:
        process = self._process
        assert process

        def answered() -> bool:
            if process.alive:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                self.ask()
            return True

        try:
            wait_until(answered, f"{self.title} to answer", seconds=START_SECONDS, every=0.02, not_yet=Exception)
        except TimeoutError as error:
            raise StackError(f"{error}; its log ends with: {process.last_lines()}") from error
        if not process.alive:
            raise StackError(f"{self.title} ended while starting; its log ends with: {process.last_lines()}")
