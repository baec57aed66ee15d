"""The plain loop: one object a point, its limits looked at one after the other; no numpy.

What a good programmer writes without columns. It does the engine's work up to the live level of
each group (quality byte, NaN, range, limits with deadband, on- and off-delays that UNKNOWN pauses,
staleness, the channel's fault) and tells `(time, alarm, up)`; it keeps no occurrence, version,
cause, acknowledgement, mask or vote.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.grade import Grade
from parkwatch.rules.quality import (
    BAD,
    BAD_COMMS,
    BAD_FAULT,
    BAD_STALE,
    READING,
    REASON_MASK,
    STATUS_MASK,
    Reading,
    Reason,
)
from parkwatch.rules.site import SECOND_NS, Limit, Site
from parkwatch.rules.site import Point as Declared

T = TypeVar("T")
Told = tuple[int, str, bool]
"""When, which alarm, and whether its level or grade rose (else it fell)."""
FALSE, TRUE, UNKNOWN, VALUE = range(4)
NEVER = 2**63 - 1
OVER, UNDER = 1.2, 0.1
FAULT_ON_NS, FAULT_OFF_NS = 4 * SECOND_NS, 10 * SECOND_NS
AT_ONCE = (Reason.STALE, Reason.COMMS)
PLANNED = (Reason.OUT_OF_SERVICE, Reason.CALIBRATING, Reason.WARMING_UP)


def _verdict(quality: int, own: Reading) -> int:
    """What a quality byte says of a condition of one side; VALUE: the value decides."""
    reading = Reading(int(READING[quality]))
    if reading is Reading.EVALUATE:
        return VALUE
    if reading is own:
        return TRUE
    return UNKNOWN if reading is Reading.UNKNOWN or quality & STATUS_MASK >= BAD else FALSE


HIGH = tuple(_verdict(q, Reading.HIGH) for q in range(256))
LOW = tuple(_verdict(q, Reading.LOW) for q in range(256))
EVALUATED = tuple(verdict == VALUE for verdict in HIGH)
BLIND = tuple(verdict == UNKNOWN for verdict in HIGH)
FAULTY = tuple(blind and q & REASON_MASK not in PLANNED for q, blind in enumerate(BLIND))


def release(limit: Limit) -> float:
    """A condition that holds is over at or beyond this value."""
    away = -limit.deadband if limit.side == "high" else limit.deadband
    if not away:  # What reaches the limit is TRUE, also where it held before.
        return math.nextafter(limit.limit, -math.inf if limit.side == "high" else math.inf)
    return round(limit.limit + away, 9)


def least(limit: Limit) -> float:
    """The least (high) or largest (low) value at which a condition that holds still holds."""
    return math.nextafter(release(limit), math.inf if limit.side == "high" else -math.inf)


FAULT = Limit(0, "fault", 1, "high", 0.0, Grade.BLUE, 0.0, FAULT_ON_NS, FAULT_OFF_NS)


class Group:
    """The levels of one alarm: `level` is the live one, 0 where none is."""

    __slots__ = ("conditions", "grade", "level", "name", "point")

    def __init__(self, point: Point, name: str) -> None:
        self.point = point
        self.name = name
        self.conditions: list[Condition] = []
        self.level = 0
        self.grade = 0


class Condition:
    """One limit. `at`: it is TRUE at or beyond this value, which the deadband moves; `truth` now;
    `holds` the last known truth, `live` the same with its delays; `due` when its running delay
    ends, `left` what is left of a paused one."""

    __slots__ = (
        "at", "due", "group", "high", "holds", "least", "left", "level", "limit", "live", "off_ns",
        "on_ns", "truth",
    )  # fmt: skip

    def __init__(self, group: Group, limit: Limit) -> None:
        self.group = group
        self.level = limit.level
        self.high = limit.side == "high"
        self.at = self.limit = limit.limit
        self.least = least(limit)
        self.on_ns = limit.on_delay_ns
        self.off_ns = limit.off_delay_ns
        self.truth = UNKNOWN
        self.holds = False
        self.live = False
        self.due = NEVER
        self.left = NEVER


class Point:
    """One signal: its latest reading, its bounds, its limits by side, its fault condition."""

    __slots__ = (
        "beyond", "bottom", "calm_above", "calm_below", "fault", "groups", "highs", "index", "lows",
        "name", "quality", "received", "stale_due", "stale_ns", "time", "top", "value", "watched",
    )  # fmt: skip

    def __init__(self, declared: Declared, limits: Sequence[Limit], now: int) -> None:
        self.index = declared.index
        self.name = declared.id
        self.bottom = declared.low - UNDER * declared.span
        self.top = declared.low + OVER * declared.span
        self.stale_ns = declared.stale_ns
        self.value = math.nan
        self.quality = BAD_COMMS
        self.time = 0
        self.received = 0
        self.beyond = False
        self.stale_due = now + declared.stale_ns
        self.watched = False
        self.calm_above, self.calm_below = math.inf, -math.inf
        groups: dict[str, Group] = {}
        for limit in limits:
            group = groups.setdefault(limit.group, Group(self, limit.group))
            group.conditions.append(Condition(group, limit))
        every = [c for group in groups.values() for c in group.conditions]
        self.highs = tuple(c for c in every if c.high)
        self.lows = tuple(c for c in every if not c.high)
        fault = Group(self, "fault")
        self.fault = Condition(fault, FAULT)
        fault.conditions.append(self.fault)
        self.groups = (*groups.values(), fault)


class Loop:
    """All points of a site, and a calendar of what is to be looked at: `_times` are its days."""

    def __init__(self, site: Site, now: int) -> None:
        own: list[list[Limit]] = [[] for _ in site.points]
        for limit in site.limits:
            own[limit.point].append(limit)
        self.now = now
        self.points = [Point(p, limits, now) for p, limits in zip(site.points, own, strict=True)]
        self._times: list[int] = []
        self._stale: dict[int, list[Point]] = {}
        self._ends: dict[int, list[Condition]] = {}
        for point in self.points:
            self._watch(point)

    def feed(
        self, indices: Sequence[int], values: Sequence[float], qualities: Sequence[int],
        times: Sequence[int], received: int,
    ) -> list[Told]:  # fmt: skip
        """Judge a batch of one moment."""
        now = max(self.now, received)
        told = self.advance(now)
        points, evaluated, judge = self.points, EVALUATED, self._judge
        for index, value, quality, time in zip(indices, values, qualities, times, strict=True):
            point = points[index]
            point.time = time
            point.received = now
            point.stale_due = now + point.stale_ns
            if not evaluated[quality] or not point.bottom <= value <= point.top:
                self._no_measurement(point, value, quality)
                told += judge(point, now)
                continue
            point.value = value
            point.quality = quality
            point.beyond = False
            changed = point.fault.truth
            for c in point.highs:
                if (value >= c.at) != c.truth:
                    changed = TRUE
            for c in point.lows:
                if (value <= c.at) != c.truth:
                    changed = TRUE
            if changed:
                told += judge(point, now)
        return told

    def levels(self) -> Mapping[str, int]:
        """The live level of every alarm that has one."""
        groups = (group for point in self.points for group in point.groups)
        return {f"{g.point.name}:{g.name}": g.level for g in groups if g.level}

    def latest(self) -> tuple[NDArray[np.float64], NDArray[np.uint8], NDArray[np.int64]]:
        """Value, quality and time of every point, to compare with (numpy only here)."""
        return (
            np.array([p.value for p in self.points], dtype=np.float64),
            np.array([p.quality for p in self.points], dtype=np.uint8),
            np.array([p.time for p in self.points], dtype=np.int64),
        )

    def advance(self, now: int) -> list[Told]:
        """What became stale, then delays that ended, in time order."""
        told: list[Told] = []
        while self._times and self._times[0] <= now:
            due = heappop(self._times)
            at = self.now = max(due, self.now)
            for point in self._stale.pop(due, ()):
                if point.stale_due > due:
                    self._watch(point)  # It was read meanwhile.
                    continue
                point.stale_due = NEVER
                point.watched = False
                point.value, point.quality, point.beyond = math.nan, BAD_STALE, False
                told += self._judge(point, at)
            ended: dict[Group, None] = {}
            for c in self._ends.pop(due, ()):
                if c.due == due:
                    c.due = NEVER
                    c.live = c.holds
                    ended[c.group] = None
            told += self._settle(ended, at)
        self.now = max(self.now, now)
        return told

    def _no_measurement(self, point: Point, value: float, quality: int) -> None:
        """Keep what is bad by its quality byte, or lies beyond what the sensor can mean."""
        point.beyond = EVALUATED[quality] and value > point.top
        if EVALUATED[quality]:
            quality = BAD_FAULT
        point.value = math.nan if BLIND[quality] else value
        point.quality = quality

    def _judge(self, point: Point, now: int) -> list[Told]:
        """Look at everything that a point's latest reading may change."""
        quality, value, fault = point.quality, point.value, point.fault
        if not point.watched and point.stale_due != NEVER:
            self._watch(point)  # It was stale, so that nobody waited for it any more.
        dirty: dict[Group, None] = {}
        for verdict, conditions in ((HIGH[quality], point.highs), (LOW[quality], point.lows)):
            for c in conditions:
                truth = verdict
                if verdict == VALUE:
                    truth = int(value >= c.at if c.high else value <= c.at)
                if truth != c.truth and self._see(c, truth, now, c.on_ns):
                    dirty[c.group] = None
        truth = int(FAULTY[quality])
        on_ns = 0 if quality & REASON_MASK in AT_ONCE else fault.on_ns
        if (truth != fault.truth and self._see(fault, truth, now, on_ns)) or truth:
            dirty[fault.group] = None
        return self._settle(dirty, now)

    def _see(self, c: Condition, truth: int, now: int, on_ns: int) -> bool:
        """A condition's truth is another now; whether that changed `live` at once."""
        c.truth = truth
        due, c.due = c.due, NEVER
        if truth == UNKNOWN:
            if due != NEVER:
                c.left = due - now
            return False
        left, c.left = c.left, NEVER
        if c.holds == truth:
            return left != NEVER and self._start(c, left, now)
        c.holds = truth == TRUE
        c.at = c.least if c.holds else c.limit
        if c.live == c.holds:
            return False
        return self._start(c, on_ns if c.holds else c.off_ns, now)

    def _start(self, c: Condition, delay_ns: int, now: int) -> bool:
        if not delay_ns:
            c.live = c.holds
            return True
        c.due = now + delay_ns
        self._file(self._ends, c.due, c)
        return False

    def _settle(self, groups: Iterable[Group], now: int) -> list[Told]:
        told: list[Told] = []
        for group in groups:
            level = max((c.level for c in group.conditions if c.live), default=0)
            grade = _fault_grade(group.point) if group.name == "fault" else 0
            if level != group.level or (level and grade > group.grade):
                told.append((now, f"{group.point.name}:{group.name}", level >= group.level))
                group.level, group.grade = level, grade
        return told

    def _watch(self, point: Point) -> None:
        point.watched = True
        self._file(self._stale, point.stale_due, point)

    def _file(self, calendar: dict[int, list[T]], due: int, what: T) -> None:
        if due in calendar:
            calendar[due].append(what)
            return
        calendar[due] = [what]
        heappush(self._times, due)


def _fault_grade(point: Point) -> int:
    """1 where the channel was lost while a limit held or was live, or reads beyond full scale."""
    if point.fault.truth != TRUE:
        return 0
    lost = any(c.truth == UNKNOWN and (c.holds or c.live) for c in (*point.highs, *point.lows))
    return int(lost or point.beyond)


class Shortcut(Loop):
    """The same loop with the short cut that a profiler suggests: between its limits a point at
    rest changes nothing. No target is set on it; it says how far plain Python can be taken."""

    def feed(
        self, indices: Sequence[int], values: Sequence[float], qualities: Sequence[int],
        times: Sequence[int], received: int,
    ) -> list[Told]:  # fmt: skip
        """Judge a batch of one moment."""
        now = max(self.now, received)
        told = self.advance(now)
        points, evaluated = self.points, EVALUATED
        for index, value, quality, time in zip(indices, values, qualities, times, strict=True):
            point = points[index]
            point.time = time
            point.received = now
            point.stale_due = now + point.stale_ns
            if point.calm_above < value < point.calm_below and evaluated[quality]:
                point.value = value
                point.quality = quality
                continue
            if evaluated[quality] and point.bottom <= value <= point.top:
                point.value, point.quality, point.beyond = value, quality, False
            else:
                self._no_measurement(point, value, quality)
            told += self._judge(point, now)
        return told

    def _judge(self, point: Point, now: int) -> list[Told]:
        told = super()._judge(point, now)
        if any(c.truth for c in (*point.highs, *point.lows, point.fault)):
            point.calm_above, point.calm_below = math.inf, -math.inf
        else:
            point.calm_above = max((c.limit for c in point.lows), default=point.bottom)
            point.calm_below = min((c.limit for c in point.highs), default=point.top)
        return told
