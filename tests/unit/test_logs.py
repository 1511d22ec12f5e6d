"""Log lines on a terminal: nothing from outside reaches it as it is."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from examples.narrator import Narrator
from shared.runtime.logs import configure_logging


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    root = logging.getLogger()
    before, level, root.handlers = root.handlers, root.level, []
    configure_logging()
    yield terminal
    root.handlers = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_on_a_terminal_has_no_control_characters_from_outside(terminal: Terminal) -> None:
    try:
        raise ValueError("\x1b]0;title\x07\u202e")
    except ValueError:
        structlog.get_logger("test").error("parked\x1b[2J", reason="\x1b[2J\r", topic="t\x9b1m", exc_info=True)
    text = terminal.getvalue()
    colours_only = text.replace("\x1b[2J", "BAD").replace("\x1b]", "BAD")
    assert "BAD" not in colours_only
    assert not set(text) & set("\r\x07\x9b\u202e")
    assert "ValueError" in text


def test_the_narrator_of_the_demo_escapes_what_events_say() -> None:
    out = io.StringIO()
    narrator = Narrator(out)
    narrator.event(0.1, "model.trained", "by \x1b[2J\r\nada\u202e")
    narrator.table(["name"], [["a\x1b[2J"]])
    narrator.logs({"relay": ["\x1b[2J"]})
    assert {c for c in out.getvalue() if not c.isprintable()} == {"\n"}
