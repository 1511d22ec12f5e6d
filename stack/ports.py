"""Free ports on 127.0.0.1."""

import random
import socket
from pathlib import Path

from stack.terminal import StackError

# Below the range from which the kernel takes ports for outgoing connections (32768 and up on Linux, 49152 elsewhere).
# Inside it, a client of a stopped server could get that server's port for its own end, connect to itself and block it.
LOWEST, HIGHEST = 20_000, 32_000


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port without a listener; at random, so that two stacks that start at once do not choose the same."""
    for _ in range(200):
        port = random.randint(LOWEST, HIGHEST)
        if is_free(port):
            return port
    raise StackError(f"No free port found on 127.0.0.1 between {LOWEST} and {HIGHEST}.")


def kept_port(file: Path) -> int:
    """The port in this file if it is still free, else a new port, which is written there."""
    try:
        if is_free(port := int(file.read_text())):
            return port
    except (FileNotFoundError, ValueError):  # a full disk leaves an empty file
        pass
    port = free_port()
    file.write_text(str(port))
    return port
