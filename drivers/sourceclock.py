"""A source's clock as seen from engine time: is it off, and is what it sends a backlog?

For shapes without `seq` lateness is judged against the source's own measured offset, and only
while its times run faster than engine time; what cannot be told is live (contracts.md, Time).
"""

from __future__ import annotations

from enum import IntEnum

SECOND_NS = 1_000_000_000
AHEAD_NS = 5 * SECOND_NS
OFF_NS = 60 * SECOND_NS
BACK_NS = 5 * SECOND_NS
LATE_NS = 10 * SECOND_NS
STEADY_NS = 60 * SECOND_NS
FASTER = 1.5
"""A backlog comes as fast as the line carries it; a clock that runs half again as fast is none."""


class Skew(IntEnum):
    """How wrong a clock is: worth telling, or worth marking every value."""

    NONE = 0
    TOLD = 1
    MARKED = 2


def skew(time: int, received: int) -> Skew:
    """Source time against engine time, both ns UTC, of a message that is news."""
    ahead = time - received
    if abs(ahead) > OFF_NS:
        return Skew.MARKED
    return Skew.TOLD if ahead > AHEAD_NS else Skew.NONE


class SourceClock:
    """What is known of the clock of one source that sends no sequence."""

    def __init__(self) -> None:
        self._offset = 0
        self._last: tuple[int, int] | None = None
        self._newest = 0
        self._moved = 0
        self._steady_since = 0

    def judge(self, time: int, received: int) -> tuple[bool, Skew]:
        """Whether a message is late, and how wrong its clock is (nothing is marked where late)."""
        if self._last is None:
            self._offset = received - time
            self._newest, self._moved = time, received
        last_time, last_received = self._last or (time, received)
        self._last = (time, received)
        ran, passed = time - last_time, received - last_received
        if time > self._newest:
            self._moved = received
        stands = received - self._moved > OFF_NS
        falls = self._newest - time > BACK_NS
        self._newest = max(self._newest, time) if not falls else time
        behind = received - time - self._offset
        if behind > LATE_NS and ran > FASTER * passed:
            self._steady_since = received
            return True, Skew.NONE
        self._measure(ran, passed, received - time, received)
        return False, Skew.MARKED if stands or falls else skew(time, received)

    def _measure(self, ran: int, passed: int, offset: int, received: int) -> None:
        """The offset is the smallest seen; a greater one is believed after a steady minute."""
        self._offset = min(self._offset, offset)
        if not 0.5 * passed <= ran <= FASTER * passed:
            self._steady_since = received
        elif received - self._steady_since > STEADY_NS:
            self._offset = offset
            self._steady_since = received
