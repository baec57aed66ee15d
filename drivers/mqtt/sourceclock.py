"""A source's clock as seen from engine time: is it off, and is what it sends a backlog?

For shapes without `seq` lateness is judged against the source's own measured offset, and only
while its times run faster than engine time; what cannot be told is live (contracts.md, Time).
"""

from __future__ import annotations

from enum import IntEnum

SECOND_NS = 1_000_000_000
TOLD_NS = 5 * SECOND_NS
OFF_NS = 60 * SECOND_NS
BACK_NS = 5 * SECOND_NS
LATE_NS = 10 * SECOND_NS
STEADY_NS = 60 * SECOND_NS
FASTER = 1.5
"""A backlog comes as fast as the line carries it; a clock that runs half again as fast is none."""


HALF_NS = 30 * SECOND_NS
HOUR_NS, NEAR_NS = 3600 * SECOND_NS, 120 * SECOND_NS
NEVER_SET_NS = 365 * 24 * HOUR_NS


class Skew(IntEnum):
    """How wrong a clock is: worth telling, or worth marking every value."""

    NONE = 0
    TOLD = 1
    MARKED = 2


class Offset:
    """How far a source is behind engine time: the least of the last half to whole minute, because a
    queue on the way only adds to it."""

    def __init__(self) -> None:
        self._least: int | None = None
        self._before: int | None = None
        self._since: int | None = None

    def judge(self, time: int, received: int) -> Skew:
        """Source and engine time, both ns UTC, of a message that is news.

        Ahead, or off by minutes, is seen at once; behind by seconds may be a queue, until no
        message of half a minute came sooner.
        """
        behind = received - time
        if self._since is None or received - self._since >= HALF_NS:
            self._before, self._least, self._since = self._least, None, received
        self._least = behind if self._least is None else min(self._least, behind)
        if abs(behind) > OFF_NS:
            return Skew.MARKED
        steady = self._before is not None and min(self._before, self._least) > TOLD_NS
        return Skew.TOLD if behind < -TOLD_NS or steady else Skew.NONE


def words(behind_ns: int) -> str:
    """How far a clock is off, and what that looks like."""
    off = abs(behind_ns)
    way = "慢 behind" if behind_ns > 0 else "快 ahead"
    if off > NEVER_SET_NS:
        return f"时钟未设置 the clock was never set: {way} {off / (24 * HOUR_NS):.0f} d"
    hours = round(off / HOUR_NS)
    if hours and abs(off - hours * HOUR_NS) < NEAR_NS:
        return f"时钟{way} {hours} h,时区设错? time zone?"
    return f"时钟{way} {off / SECOND_NS:.1f} s"


class SourceClock:
    """What is known of the clock of one source that sends no sequence."""

    def __init__(self) -> None:
        self._offset = 0
        self._last: tuple[int, int] | None = None
        self._newest = 0
        self._moved = 0
        self._steady_since = 0
        self._skew = Offset()

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
        off = self._skew.judge(time, received)
        return False, Skew.MARKED if stands or falls else off

    def _measure(self, ran: int, passed: int, offset: int, received: int) -> None:
        """The offset is the smallest seen; a greater one is believed after a steady minute."""
        self._offset = min(self._offset, offset)
        if not 0.5 * passed <= ran <= FASTER * passed:
            self._steady_since = received
        elif received - self._steady_since > STEADY_NS:
            self._offset = offset
            self._steady_since = received
