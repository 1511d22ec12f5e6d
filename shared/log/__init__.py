"""The log: facts by stream, appended at an expected version, read by stream or by position."""

from shared.log.entries import Append, Entry, Head, Logged, read_fact
from shared.log.store import Log

__all__ = ["Append", "Entry", "Head", "Log", "Logged", "read_fact"]
