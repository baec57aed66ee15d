"""What the points with one high limit have to say, reckoned one reading at a time from the rules as
they are written (contracts.md, Alarm semantics); nothing of the rules is used here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from parkwatch.rules.batch import Batch

FALSE, TRUE, UNKNOWN = "false", "true", "unknown"
_EVALUATED = {0, 10, 11, 12}
_OVER, _UNDER = 7, 8


@dataclass(frozen=True, slots=True)
class Setting:
    """One high limit; times in ns, `low` and `high` are the ends of the range."""

    alarm: str
    limit: float
    deadband: float
    on_ns: int
    off_ns: int
    stale_ns: int
    low: float = 0.0
    high: float = 100.0


@dataclass(slots=True)
class Condition:
    """`holds`: TRUE since it was last seen; `live`: after its delays; `left` of a paused delay."""

    setting: Setting
    truth: str = UNKNOWN
    holds: bool = False
    live: bool = False
    since: int = 0
    due: int | None = None
    left: int | None = None
    silent_at: int | None = None
    said: list[tuple[int, str, int]] = field(default_factory=list)

    @property
    def idle(self) -> bool:
        """Only a TRUE reading can move it."""
        return not (self.holds or self.live) and self.due is None and self.left is None

    def read(self, value: float, quality: int, now: int) -> None:
        """One reading."""
        self.advance(now)
        self.silent_at = now + self.setting.stale_ns
        self._become(self._truth(value, quality), now)

    def _truth(self, value: float, quality: int) -> str:
        s, reason = self.setting, quality & 0x3F
        if reason == _OVER:
            return TRUE
        if reason == _UNDER and quality < 0x80:
            return FALSE  # A bad reading neither raises nor clears.
        span = s.high - s.low
        plausible = s.low - 0.1 * span <= value <= s.low + 1.2 * span
        if quality >= 0x80 or reason not in _EVALUATED or math.isnan(value) or not plausible:
            return UNKNOWN
        if self.holds:
            return TRUE if value > s.limit - s.deadband else FALSE
        return TRUE if value >= s.limit else FALSE

    def _become(self, truth: str, now: int) -> None:
        self.truth = truth
        if truth is UNKNOWN:
            if self.due is not None:
                self.left, self.due = self.due - now, None
            return
        true = truth is TRUE
        if true == self.holds:
            if self.left is not None:
                self.due, self.left = now + self.left, None
                self._expire(now)
            return
        self.holds, self.due, self.left = true, None, None
        if true and not self.live:
            self.since = now
        if true != self.live:
            self.due = now + (self.setting.on_ns if true else self.setting.off_ns)
            self._expire(now)

    def _expire(self, now: int) -> None:
        if self.due is not None and self.due <= now:
            self.live = self.holds
            self.said.append((self.due, "on" if self.live else "off", self.since))
            self.due = None

    def advance(self, now: int) -> None:
        """Let time pass; at one moment staleness comes before the end of a delay."""
        if self.silent_at is not None and self.silent_at <= now:
            at, self.silent_at = self.silent_at, None
            if self.due is not None and self.due < at:
                self._expire(at)
            self._become(UNKNOWN, at)
        self._expire(now)


class Oracle:
    """All those points; `keep` and `wake` are a snapshot and a restart."""

    def __init__(self, settings: Mapping[int, Setting], points: int) -> None:
        self.of = {point: Condition(setting) for point, setting in settings.items()}
        self.alarms = {setting.alarm: point for point, setting in settings.items()}
        self._lowest = np.full(points, np.inf)
        for point, setting in settings.items():
            self._lowest[point] = setting.limit
        self._ours = np.isfinite(self._lowest)
        self._busy = np.zeros(points, dtype=np.bool_)
        self._quality = np.full(points, 0x80, dtype=np.uint8)
        self._received = np.zeros(points, dtype=np.int64)

    def feed(self, batch: Batch) -> None:
        """Live readings in their order."""
        point, value = batch.point, batch.value
        self._quality[point] = batch.quality
        self._received[point] = batch.received
        moves = self._busy[point] | (value >= self._lowest[point])
        moves |= self._ours[point] & ((batch.quality & 0x3F) == _OVER)
        if not moves.any():
            return
        moved = np.zeros(len(self._busy), dtype=np.bool_)
        moved[point[moves]] = True
        rows = np.flatnonzero(moved[point])
        columns = (point, value, batch.quality, batch.received)
        for p, v, q, at in zip(*(c[rows].tolist() for c in columns), strict=True):
            self.of[p].read(v, q, at)
        for p in np.flatnonzero(moved).tolist():
            self._busy[p] = not self.of[p].idle

    def doubtful(self, point: int, now: int) -> bool:
        """Whether its condition is, or may be, TRUE."""
        c, quality = self.of[point], int(self._quality[point])
        unseen = quality >= 0x80
        stale = self._received[point] + c.setting.stale_ns <= now
        return c.holds or c.live or unseen or bool(stale)

    def advance(self, now: int) -> None:
        """Let time pass."""
        for p in np.flatnonzero(self._busy).tolist():
            self.of[p].advance(now)
            self._busy[p] = not self.of[p].idle

    def keep(self, now: int) -> dict[int, Condition]:
        """What a snapshot at `now` has to hold; a running delay as what is left of it."""
        kept = {}
        for p in np.flatnonzero(self._busy).tolist():
            c = self.of[p]
            left = c.due - now if c.due is not None else c.left
            kept[p] = replace(c, due=None, left=left, said=[])
        return kept

    def wake(
        self, kept: Mapping[int, Condition], tail: Sequence[tuple[str, str, int]], now: int
    ) -> None:
        """A new process: every channel is UNKNOWN, delays paused; `tail`: what the journal says
        since the snapshot as (alarm, on or off, occurrence)."""
        for point, c in self.of.items():
            was = kept.get(point) or Condition(c.setting)
            stale = now + c.setting.stale_ns
            self.of[point] = replace(was, truth=UNKNOWN, due=None, silent_at=stale, said=[])
        for alarm, event, occurrence in tail:
            c, on = self.of[self.alarms[alarm]], event == "on"
            if on != c.live:
                c.live = c.holds = on
                c.left, c.since = None, occurrence
        for point, c in self.of.items():
            self._busy[point] = not c.idle
        self._quality[:] = 0x80
