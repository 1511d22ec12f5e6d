"""Text from outside on a terminal: names, reasons and values come from whoever can publish."""


def escaped(text: str) -> str:
    """A line of text with control, bidi and other invisible characters as their escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
