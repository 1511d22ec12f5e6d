"""Whether a follower goes forward, as `/readyz` and the metrics show it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from prometheus_client import Gauge

from shared.log.following import Work
from shared.log.horizon import Horizon
from shared.runtime.runtime import Runtime

BEHIND = Gauge("modelog_follower_behind_positions", "Positions of the log that this leader has not done.", ["follower"])
HORIZON = Gauge("modelog_log_horizon_seconds", "Seconds for which an open transaction has kept readers from new facts.")

STALLED_SECONDS = 30.0
"""A leader that is behind and has not moved for so long is not ready, nor a leader that has not read the log's end."""
HORIZON_SECONDS = 5.0
"""An open transaction that has kept readers from new facts for so long is reported."""
PAUSE_SECONDS = 1.0
"""Without progress for less than that, a follower is only busy."""


class Progress:
    """How far a follower is behind the log, and since when it has not moved; it outlives the works of the follower."""

    def __init__(self) -> None:
        self.checked_at = 0.0
        self.moved_at = _now()
        self._position = -1
        self._horizon_held: tuple[int, float] | None = None
        self._horizon: Horizon | None = None
        self._moved_cursor: str | None = None

    def begin(self, work: Work, role: str) -> None:
        """A work was opened, at the position where an earlier work ended or elsewhere."""
        self.work, self.role = work, role
        self.settled = work.position
        self.checked_at = time.monotonic()
        self._horizon = self._horizon_held = self._moved_cursor = None

    def checked(self, settled: int) -> None:
        """The work has done its last range, and the log is settled up to here."""
        self.settled, self.checked_at = settled, time.monotonic()

    def looked(self, position: int, horizon: Horizon) -> None:
        """This is the log's end, read when the work was at `position`."""
        self._horizon = horizon
        self._moved_cursor = None
        if position > horizon.last:
            self._moved_cursor = (
                f"its position is {position}, and the log ends at {horizon.last}: somebody moved the cursor, "
                "or the log has lost facts; move the cursor back, or run `python -m operations restored`"
            )
        if horizon.pid is None or self.settled >= horizon.last:
            self._horizon_held = None
        elif self._horizon_held is None or self._horizon_held[0] != self.settled:
            self._horizon_held = self.settled, time.monotonic()
        HORIZON.set(time.monotonic() - self._horizon_held[1] if self._horizon_held else 0)

    def report(self, runtime: Runtime, name: str) -> None:
        """Ready if the work goes forward and has no problem, however far it is behind."""
        position, now = self.work.position, _now()
        last = max(self.settled, self._horizon.last if self._horizon else 0)
        lag = max(0, last - position)
        if lag == 0 or position != self._position:
            self._position, self.moved_at = position, now
        BEHIND.labels(name).set(lag)
        seconds = now - self.moved_at
        why = self._why(seconds)
        runtime.health.report(
            name,
            why is None,
            f"at position {position}, {lag} behind" + (f"; {why}" if why else ""),
            role=self.role,
            position=position,
            lag=lag,
            no_progress_since=_iso(self.moved_at) if seconds > PAUSE_SECONDS else None,
            why=why,
            **self.work.state(),
        )

    def _why(self, seconds: float) -> str | None:
        """Why the work is not complete or does not go forward."""
        return self.work.problem() or self._moved_cursor or self._held() or self._stalled(seconds)

    def _held(self) -> str | None:
        if self._horizon_held is None or self._horizon is None:
            return None
        settled, since = self._horizon_held
        if time.monotonic() - since < HORIZON_SECONDS or self.settled != settled:
            return None
        age = f" for {self._horizon.seconds:.0f} s" if self._horizon.seconds else ""
        return (
            f"facts behind position {settled} cannot be read: {self._horizon.holder()} has a transaction "
            f"open{age}; end it, or wait for its end"
        )

    def _stalled(self, seconds: float) -> str | None:
        unchecked = time.monotonic() - self.checked_at
        longest = max(seconds, unchecked)
        return f"no progress for {longest:.0f} s" if longest > STALLED_SECONDS else None


def _now() -> float:
    return time.time()  # noqa: TID251  (people compare it with their clock)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
