"""The channels: what each point last read, whether it can be seen, and when it becomes stale."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.evaluate.compile import NEVER, Table, floats, ints
from parkwatch.rules.evaluate.kernel import EVALUATED, IS_BLIND, guard, rest
from parkwatch.rules.quality import (
    BAD,
    BAD_COMMS,
    BAD_FAULT,
    BAD_STALE,
    GOOD,
    READING,
    UNCERTAIN,
    Reading,
    Reason,
)  # fmt: skip
from parkwatch.rules.site import Point, Site

OVER, UNDER = 1.2, 0.1
"""More than 1.2 times full scale, or more than 10 % of the span below it, is no measurement."""
LINE = 64
"""Bytes a channel: guard, value, source time, received, quality and a mark, in one cache line, so
that a batch over random points of a million waits for memory once a point."""
Where = slice | NDArray[np.int32]
_EMPTY = (np.inf, -np.inf)
_HIGH, _LOW = int(Reading.HIGH), int(Reading.LOW)
_READING = READING.tolist()
_EVALUATED = EVALUATED.tolist()


class Channels:
    """Columns over the channels (points first): the latest reading and what follows from it alone.

    `healthy`: the detector witnesses, or was not seen since the start and is not stale yet;
    `beyond` points that read more than 1.2 times full scale, with what they read; `folded`
    catalytic ones whose low value means nothing since over-range; `doubted` disagree with their
    zone. `guard` (channels, 2): a reading strictly between, of the quality as before, changes
    nothing. `stale_next`: no point becomes stale before.
    """

    def __init__(self, site: Site, table: Table, now: int) -> None:
        n, points = table.channels, site.points
        self._table, self._points, self._declared = table, len(points), points
        self._block = block = _aligned(n)
        whole, small = block.view(np.int64), block.view(np.uint8).reshape(n, LINE)
        self.guard: NDArray[np.float64] = block[:, :2]
        self.values: NDArray[np.float64] = block[:, 2]
        self.times: NDArray[np.int64] = whole[:, 3]
        self.receiveds: NDArray[np.int64] = whole[:, 4]
        self.qualities: NDArray[np.uint8] = small[:, 40]
        self.mark: NDArray[np.int32] = block.view(np.int32)[: len(points), 12]
        self.values[:] = np.nan
        self.qualities[: len(points)] = BAD_COMMS
        self.healthy: NDArray[np.bool_] = np.ones(len(points), dtype=np.bool_)
        self.beyond: dict[int, float] = {}
        self.folded: set[int] = set()
        self.doubted: set[int] = set()
        self.lost: dict[int, float] = {}
        self.low, self.high = _bounds(points, n)
        self._rest = rest(table, self.low, self.high)
        self.guard[:] = _EMPTY
        self._virgin: NDArray[np.bool_] = np.ones(n, dtype=np.bool_)
        self._sentinels = {p.index: dict(p.sentinels) for p in points if p.sentinels}
        self._folds = {p.index for p in points if p.folds}
        self._stale_ns = np.array([p.stale_ns for p in points], dtype=np.int64)
        self._alive = np.full(len(points), now, dtype=np.int64)
        self._silent = np.zeros(len(points), dtype=np.bool_)
        self.stale_next = now if len(points) else NEVER
        self.at_low, self.at_high = floats(self.guard[:, 0]), floats(self.guard[:, 1])
        self.at_value, self.at_quality = floats(self.values), ints(self.qualities)
        self.at_time, self.at_received = ints(self.times), ints(self.receiveds)

    # Many at once --------------------------------------------------------------------------

    def quiet(
        self, where: Where, value: NDArray[np.float64], quality: NDArray[np.uint8]
    ) -> NDArray[np.bool_]:
        """(n,) which readings change no truth, no health and no fault."""
        lines = self._block[where]
        found: NDArray[np.bool_] = value > lines[:, 0]
        found &= value < lines[:, 1]
        found &= quality == lines.view(np.uint8).reshape(len(lines), LINE)[:, 40]
        return found

    def wake(
        self, point: NDArray[np.int32], value: NDArray[np.float64], quality: NDArray[np.uint8]
    ) -> NDArray[np.bool_]:
        """(n,) which readings are the first of a point since the start and find it at rest.

        Those become FALSE without a transition, all at once: a start does not stall.
        """
        bounds = self._rest[point]
        found: NDArray[np.bool_] = self._virgin[point] & (quality == GOOD)
        found &= (value > bounds[:, 0]) & (value < bounds[:, 1])
        woken = point[found]
        if len(woken):
            self._table.truth[self._table.rows_of(woken)] = 0
            self.guard[woken] = bounds[found]
            self.qualities[woken] = GOOD
            self._virgin[woken] = False
            self._silent[woken] = False
        return found

    def take(
        self,
        where: Where,
        value: NDArray[np.float64],
        time: NDArray[np.int64],
        now: int,
    ) -> None:
        """Keep quiet readings: their quality is the one before."""
        self.values[where] = value
        self.times[where] = time
        self.receiveds[where] = now

    # One at a time -------------------------------------------------------------------------

    def judge(self, point: int, value: float, quality: int) -> tuple[float, int]:
        """A reading as the rules see it: what no sensor of the range can mean is a fault.

        Such a value is neither gas nor its absence (contracts.md, Out of range).
        """
        self.beyond.pop(point, None)
        told, (_, quality) = quality, self.meant(point, value, quality)
        declared = value in self._sentinels.get(point, {})
        if quality == BAD_FAULT and _EVALUATED[told] and not declared and self._over(point, value):
            self.beyond[point] = value
        if point in self._folds:
            quality = self._fold(point, quality)
        if quality == GOOD and point in self.doubted:
            quality = UNCERTAIN | Reason.DOUBTFUL
        return (np.nan if IS_BLIND[quality] else value), quality

    def meant(self, point: int, value: float, quality: int) -> tuple[float, int]:
        """What a value alone says: a declared sentinel, or what no sensor of the range can mean."""
        if _EVALUATED[quality]:
            sentinel = self._sentinels.get(point, {}).get(value)
            declared = self._declared[point]
            if sentinel is not None:
                quality = sentinel
            elif not self.low[point] <= value <= self.high[point] and (
                self._over(point, value) or not value >= declared.low - UNDER * declared.span
            ):
                quality = BAD_FAULT  # Else between a sentinel and the end of what can be measured.
        return (np.nan if IS_BLIND[quality] else value), quality

    def _over(self, point: int, value: float) -> bool:
        declared = self._declared[point]
        return value > declared.low + OVER * declared.span

    def _fold(self, point: int, quality: int) -> int:
        """After over-range a catalytic sensor may read anything down to zero."""
        if _READING[quality] == _HIGH or point in self.beyond:
            self.folded.add(point)
        elif point in self.folded and _EVALUATED[quality]:
            return BAD | Reason.DOUBTFUL
        return quality

    def keep(self, channel: int, value: float, quality: int, time: int, now: int) -> None:
        """Keep one judged reading of a point."""
        if quality >= BAD and _EVALUATED[self.at_quality[channel]]:
            self.lost[channel] = self.at_value[channel]
        elif quality < BAD:
            self.lost.pop(channel, None)
        self.at_value[channel] = value
        self.at_quality[channel] = quality
        self.at_time[channel] = time
        self.at_received[channel] = now
        self._silent[channel] = False
        self.stale_next = min(self.stale_next, now + int(self._stale_ns[channel]))

    def settle(self, channel: int, *, open_: bool) -> None:
        """The guard of a channel after its rows were judged; closed where every reading counts: it
        is blind, so that no value may stay, or a reading as before may fold it again."""
        low, high = _EMPTY
        quality = self.at_quality[channel]
        folds = channel in self._folds and _READING[quality] == _HIGH
        if open_ and not folds and not IS_BLIND[quality]:
            low, high = guard(
                self._table, channel, float(self.low[channel]), float(self.high[channel])
            )
        self.at_low[channel] = low
        self.at_high[channel] = high
        self._virgin[channel] = False

    def unsettle(self, masked: NDArray[np.bool_]) -> None:
        """After a restore: points with something to remember are judged one by one."""
        table = self._table
        busy = table.holds | table.live | (table.left != NEVER) | (table.off != 0)
        self._virgin[table.channel[busy]] = False
        self._virgin[: self._points][masked] = False
        self._virgin[[*self.folded, *self.doubted]] = False

    def as_operand(self, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        """(...) values as formulas take them: over-range +inf, under-range -inf, UNKNOWN NaN."""
        kind = READING[self.qualities[channels]]
        value = np.where(kind == Reading.EVALUATE, self.values[channels], np.nan)
        value = np.where(kind == _HIGH, np.inf, value)
        return np.where(kind == _LOW, -np.inf, value)

    def operand(self, channel: int) -> float:
        """The same for one channel."""
        quality = self.at_quality[channel]
        if _EVALUATED[quality]:
            return float(self.at_value[channel])
        kind = _READING[quality]
        return float(np.inf if kind == _HIGH else -np.inf if kind == _LOW else np.nan)

    # Silence -------------------------------------------------------------------------------

    def next_stale(self, now: int) -> int:
        """When the next point becomes stale; exact where that is not after `now`."""
        if self.stale_next <= now:
            due = self._dues()
            self.stale_next = int(due.min()) if len(due) else NEVER
        return self.stale_next

    def stale(self, due: int) -> list[int]:
        """Points whose bound is over, in order of index."""
        found: list[int] = np.flatnonzero(self._dues() <= due).tolist()
        return found

    def _dues(self) -> NDArray[np.int64]:
        seen = np.maximum(self.receiveds[: self._points], self._alive)
        return np.where(self._silent, NEVER, seen + self._stale_ns)

    def lose(self, point: int) -> None:
        """A point became stale; when it was last received stays known."""
        if _EVALUATED[self.at_quality[point]]:
            self.lost[point] = self.at_value[point]
        self.at_value[point] = np.nan
        self.at_quality[point] = BAD_STALE
        self.beyond.pop(point, None)
        self._silent[point] = True

    def watch(self, points: Sequence[int], now: int) -> None:
        """Give points their whole bound again."""
        if len(points):
            self._alive[points] = now
            self._silent[points] = False
            self.stale_next = min(self.stale_next, now + int(self._stale_ns[points].min()))

    def alive(self, points: Sequence[int], now: int) -> None:
        """A heartbeat that names their device keeps points that publish on change from stale."""
        some = np.array(points, dtype=np.int64)
        seen = np.maximum(self.receiveds[some], self._alive[some]) + self._stale_ns[some]
        self._alive[some[~self._silent[some] & (seen > now)]] = now  # Else it came too late.

    def unread(self, point: int) -> bool:
        """Not read since the start, and not stale yet."""
        return not self.at_received[point] and self.at_quality[point] != BAD_STALE

    def finite(self, channel: int) -> float | None:
        """The value of a channel, None where there is none to show."""
        value = self.at_value[channel]
        return value if math.isfinite(value) else None


def _aligned(n: int) -> NDArray[np.float64]:
    """(n, 8) zeros, each row one cache line."""
    raw = np.zeros((n + 1) * 8)
    skip = (-raw.ctypes.data % LINE) // 8
    return raw[skip : skip + n * 8].reshape(n, 8)


def _bounds(points: Sequence[Point], n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Between which values a reading needs no second look: measurable, and no sentinel."""
    low, high = np.full(n, -np.inf), np.full(n, np.inf)
    for p in points:
        least, full = p.low - UNDER * p.span, p.low + OVER * p.span
        below = [value for value, _ in p.sentinels if value <= p.low]
        above = [value for value, _ in p.sentinels if value > p.low]
        low[p.index] = max([least, *below])
        high[p.index] = min([full, *above])
    return low, high
