"""The errors of the SDK; the sentence in each ends with what to do."""

from __future__ import annotations


class MissingExtra(ImportError):
    """A part of modelog needs a library that is not installed; the sentence names the extra to install."""


class TransientError(Exception):
    """The call may work when it is repeated."""


class NotPublished(TransientError):
    """No broker acknowledged the message; it may have arrived all the same, and sending it again is safe."""


class NotConnected(TransientError):
    """The first attempt to read failed; once it has read, a subscription waits for its brokers."""
