"""What a client can meet, each with a sentence that says what to do."""

from __future__ import annotations


class TransientError(Exception):
    """What failed may work when it is tried again."""


class MissingExtra(ImportError):
    """A part of modelog needs a library that is not installed; the message says what to install."""


class NotPublished(ConnectionError):
    """No broker acknowledged the message; it may have arrived all the same, and sending it again is safe."""


class NotConnected(ConnectionError):
    """The first attempt to read failed; once it has read, a subscription waits for its brokers."""
