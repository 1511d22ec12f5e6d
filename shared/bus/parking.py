"""What becomes of records that cannot be answered: they were answered or parked before, or are parked now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import structlog
from modelog.envelope import Unreadable
from modelog.events import Event
from prometheus_client import Counter

from shared.bus.dead_letters import DeadLetter, DeadLetters
from shared.bus.open_records import OpenRecord
from shared.bus.parked_records import original_of
from shared.bus.reading import LogReader
from shared.bus.troubles import Troubles
from shared.runtime.errors import is_transient

logger = structlog.get_logger()

handled = Counter("modelog_handled", "Messages by what became of them", ["service", "type", "outcome"])
OUTCOMES = ("answered", "nothing", "repeated", "parked")
"""Decided on, nothing to decide, not readable but answered or parked before, parked."""


class Parking:
    """Parks what a service cannot answer; what comes again is passed over."""

    def __init__(
        self,
        name: str,
        dead_letters: DeadLetters,
        log: LogReader,
        troubles: Troubles,
        expected: Callable[[str], type[Event] | None],
    ) -> None:
        self._name = name
        self._dead_letters = dead_letters
        self._log = log
        self._troubles = troubles
        self._expected = expected

    async def park(self, failed: Sequence[tuple[OpenRecord, Exception]]) -> None:
        """Park these records, except those that were answered, by a reader that was less strict, or parked before."""
        letters = {opened: self._letter(opened, error) for opened, error in failed}
        repeated = await self._troubles.persist(lambda: self._repeated(letters), is_transient)
        if parked := [letter for opened, letter in letters.items() if opened not in repeated]:
            # Any error: a record that is not parked would be lost.
            await self._troubles.persist(lambda: self._dead_letters.park(parked, datetime.now(UTC)), lambda _: True)
        for opened in letters:
            event = self._expected(opened.record.topic)
            if event is not None:
                handled.labels(self._name, event.type, "repeated" if opened in repeated else "parked").inc()
            opened.close()

    async def _repeated(self, letters: dict[OpenRecord, DeadLetter]) -> set[OpenRecord]:
        originals = {opened: original_of(opened.record) for opened in letters}
        before = await self._log.parked_before(self._name, originals.values())
        causes = {letter.cause for letter in letters.values() if letter.cause is not None}
        answered = await self._log.answered(causes) if causes else set()
        return {opened for opened, letter in letters.items() if letter.cause in answered or originals[opened] in before}

    def _letter(self, opened: OpenRecord, error: Exception) -> DeadLetter:
        record = opened.record
        if isinstance(error, Unreadable):
            return DeadLetter(record, str(error), error.cause)
        logger.error("bug", service=self._name, topic=record.topic, offset=record.offset, exc_info=error)
        sentence = f"{self._name} has a bug, {type(error).__name__}: {error}; correct it, then send the message again"
        return DeadLetter(record, sentence)
