"""Kafka, Postgres and S3 on this machine, with or without Docker: for `make up`, the demo, the bench and the tests."""

from stack.addresses import Addresses
from stack.selection import own_servers, running
from stack.servers import NativeServers, Servers
from stack.terminal import StackError

__all__ = ["Addresses", "NativeServers", "Servers", "StackError", "own_servers", "running"]
