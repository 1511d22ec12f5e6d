"""The log: facts by stream, appended at an expected version, read by stream or by position."""

from shared.log.entries import Append, Entry, Head, Known, Reader, read_fact
from shared.log.store import Log

__all__ = ["Append", "Entry", "Head", "Known", "Log", "Reader", "read_fact"]
