"""The error that ends the demo early."""


class DemoError(Exception):
    """A step that was expected did not happen; the message is a sentence with its name."""
