"""Engine time: monotonic, pinned to UTC at start, never falling (contracts.md, Time)."""

from __future__ import annotations

import time


class Clock:
    """`now` gives ns UTC that no jump of the host's clock can move.

    `at_least` is the newest engine time in the journal + 1: time never falls over a restart.
    """

    def __init__(self, at_least: int = 0) -> None:
        self._offset = max(time.time_ns(), at_least) - time.monotonic_ns()

    def now(self) -> int:
        return time.monotonic_ns() + self._offset

    def skew_ns(self) -> int:
        """How far the host's wall clock is ahead of engine time."""
        return time.time_ns() - self.now()
