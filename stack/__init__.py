"""Kafka, Postgres and S3 on this machine, with or without Docker: for `make up`, the demo, the bench and the tests."""

from stack.addresses import Addresses
from stack.ground import running
from stack.sentences import StackError
from stack.servers import Servers

__all__ = ["Addresses", "Servers", "StackError", "running"]
