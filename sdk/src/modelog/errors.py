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


class MissingTopic(NotConnected):
    """A topic is not there, because the prefix is wrong, it was not created, or it was deleted."""


class AccessDenied(Exception):
    """Kafka refuses this user: the login is wrong, or the user may not use the topic or the group."""


class Interrupted(SystemExit, KeyboardInterrupt):
    """Ctrl-C while a subscription waited for a message: a program that does not catch it ends without a traceback.

    It is a KeyboardInterrupt for those who catch that; its exit status is 130, as of a program that Ctrl-C ended.
    """
