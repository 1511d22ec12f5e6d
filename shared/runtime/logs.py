"""Log lines: for people on a terminal, JSON elsewhere, those of libraries too."""

from __future__ import annotations

import logging
import math
import sys
import time

import structlog

from shared.runtime.terminal import escaped

REPEAT_SECONDS = 10.0
"""A repeated line of aiokafka is written at most once in so many seconds."""


def configure_logging() -> None:
    """Write one line for each event to standard error."""
    rendering: list[structlog.types.Processor] = [structlog.processors.JSONRenderer()]
    if sys.stderr.isatty():
        rendering = [escape_values, structlog.dev.ConsoleRenderer()]
    steps: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*steps, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=steps, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering]
    )
    handler.setFormatter(formatter)
    repeats = RepeatFilter()
    handler.addFilter(lambda record: not record.name.startswith("aiokafka") or repeats.filter(record))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for library in ("aiokafka", "faststream", "stamina", "urllib3"):
        logging.getLogger(library).setLevel(logging.WARNING)
    # A pool warns with a traceback, at each attempt, that it cannot connect; the components report it in a sentence.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    # FastStream warns of topics it must not create, and logs each assignment with every partition in it.
    logging.getLogger("modelog.bus").setLevel(logging.ERROR)


def escape_values(_logger: object, _method: str, line: structlog.types.EventDict) -> structlog.types.EventDict:
    """Text from outside is in names and in errors; JSON escapes it, the lines for a terminal would not."""
    return {key: _escaped_lines(value) if isinstance(value, str) else value for key, value in line.items()}


def _escaped_lines(text: str) -> str:
    return "\n".join(map(escaped, text.split("\n")))


class RepeatFilter(logging.Filter):
    """Drops a line that was just written: a client without its server logs the same line ten times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        line, now = f"{record.name} {record.getMessage()}", time.monotonic()
        if now - self._written.get(line, -math.inf) < REPEAT_SECONDS:
            return False
        self._written = {line: at for line, at in self._written.items() if now - at < REPEAT_SECONDS} | {line: now}
        return True
