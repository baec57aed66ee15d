"""Measures over a window: slope, forecast, spread, changes, exposure, distance from the zone.

A window is cut into parts on a grid of engine time; each part holds the time-weighted integral of
the value (the last known value counts until the next), how long it was seen, its extremes and its
changes. A measure is computed when a part is complete: the memory of a window is bounded, and
neither the number of samples nor how they are cut into batches changes a result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.evaluate.compile import NEVER, Table, by_point, stretches
from parkwatch.rules.measures import Apart, Changes, Exposure, Slope, Spread, TimeTo, trend
from parkwatch.rules.site import SECOND_NS, Point, Site

PARTS = 12
STEL_PARTS, TWA_PARTS = 15, 48
HOUR_NS = 3600 * SECOND_NS
MINUTE_NS = 60 * SECOND_NS
Window = Slope | TimeTo | Spread | Changes | Exposure | Apart
_COLUMNS = ("area", "seen", "low", "high", "changes")
_STATE = (*_COLUMNS, "held", "since", "part", "last", "least")
Result = tuple[int, float, bool]
"""A channel, its measure, and whether that is only a lower bound."""


class Windows:
    """All windows of a site with one number of parts `k`; (w, k) rings, (w,) what runs on.

    `of[p]`: windows of a point. `channels[w]`: where each result goes. `due`: when the next part is
    complete. `held`: the value that counts until the next, NaN while the point is not known. `last`
    and `least`: the newest result, and whether it is only a lower bound. `awaited[p]`: not read
    since a restart.

    While the point is not known, a window says nothing or is a lower bound: a gap neither raises
    (but by what was seen of an exposure) nor clears. Seen again in the same part, it says again
    what it said.
    """

    def __init__(self, site: Site, windows: Sequence[tuple[int, Window]], k: int, now: int) -> None:
        self.k = k
        self.windows = [measure for _, measure in windows]
        self.channels = [channel for channel, _ in windows]
        n = len(windows)
        self._points: list[Point] = [site.points[m.point] for m in self.windows]
        self.of: dict[int, list[int]] = {}
        for w, measure in enumerate(self.windows):
            self.of.setdefault(measure.point, []).append(w)
        self.area = np.zeros((n, k))
        self.seen = np.zeros((n, k))
        self.low = np.full((n, k), np.inf)
        self.high = np.full((n, k), -np.inf)
        self.changes = np.zeros((n, k))
        self.held = np.full(n, np.nan)
        self._length = np.array([m.window_ns // k for m in self.windows], dtype=np.int64)
        self._clips = [isinstance(m, Exposure) for m in self.windows]
        self._bounds = np.array(
            [isinstance(m, Exposure | Changes) for m in self.windows], dtype=np.bool_
        )
        place = {(m.point, m.window_ns): w for w, m in enumerate(self.windows)
                 if isinstance(m, Apart)}  # fmt: skip
        self._peers = {
            w: np.array([place[p, m.window_ns] for p in m.peers], dtype=np.int64)
            for w, m in enumerate(self.windows) if isinstance(m, Apart)
        }  # fmt: skip
        self.last = np.full(n, np.nan)
        self.least = np.zeros(n, dtype=np.bool_)
        self._restored: list[int] = []
        self.awaited = np.zeros(len(site.points), dtype=np.bool_)
        self.since = np.full(n, now, dtype=np.int64)
        self.part: NDArray[np.int64] = now // self._length
        self._begin, self._flat = by_point(self.of, len(site.points))
        self._plan()

    def _plan(self) -> None:
        ends = (self.part + 1) * self._length
        self.due = int(ends.min()) if len(ends) else NEVER

    # Samples -------------------------------------------------------------------------------

    def sample(self, point: int, operand: float, now: int) -> list[Result]:
        """What a point reads from now on; +-inf for out of range, NaN for UNKNOWN.

        What windows say that lost their point, or see it again.
        """
        turned = []
        self.awaited[point] = False
        for w in self.of[point]:
            value = operand
            if np.isinf(value):
                # An exposure counts full scale, the least that it can be; a trend has no value.
                ends = self._points[w].high if value > 0 else self._points[w].low
                value = ends if self._clips[w] else np.nan
            if value == self.held[w]:
                continue  # It goes on counting.
            self._hold(w, now)
            slot = int(self.part[w] % self.k)
            was_known = not math.isnan(self.held[w])
            if not math.isnan(value):
                if was_known:
                    self.changes[w, slot] += 1
                self.low[w, slot] = min(self.low[w, slot], value)
                self.high[w, slot] = max(self.high[w, slot], value)
            self.held[w] = value
            if was_known == math.isnan(value):
                turned.append(self._says(w))
        return turned

    def _says(self, w: int) -> Result:
        """What a window says now."""
        value, least = float(self.last[w]), bool(self.least[w])
        if math.isnan(self.held[w]):
            value, least = (value, True) if self._bounds[w] else (math.nan, False)
        return self.channels[w], value, least

    def sample_many(self, points: NDArray[np.int32], value: NDArray[np.float64], now: int) -> None:
        """The same for many points, none twice and not `awaited`, whose values are known and
        within range."""
        every, counts = stretches(self._begin, points)
        ws, values = self._flat[every], np.repeat(value, counts)
        news = values != self.held[ws]
        ws, values = ws[news], values[news]
        if not len(ws):
            return
        slot = self.part[ws] % self.k
        held, lasted = self.held[ws], (now - self.since[ws]).astype(np.float64)
        known = ~np.isnan(held)
        self.area[ws, slot] += np.where(known, held * lasted, 0.0)
        self.seen[ws, slot] += np.where(known, lasted, 0.0)
        self.changes[ws, slot] += known
        self.low[ws, slot] = np.minimum(self.low[ws, slot], values)
        self.high[ws, slot] = np.maximum(self.high[ws, slot], values)
        self.since[ws] = now
        self.held[ws] = values

    def _hold(self, w: int, until: int) -> None:
        held = self.held[w]
        if not math.isnan(held):
            slot = int(self.part[w] % self.k)
            lasted = float(until - self.since[w])
            self.area[w, slot] += held * lasted
            self.seen[w, slot] += lasted
        self.since[w] = until

    # Results -------------------------------------------------------------------------------

    def close(self, due: int) -> list[Result]:
        """Complete the parts that end at `due`, in order of channel."""
        ended = np.flatnonzero((self.part + 1) * self._length <= due).tolist()
        for w in ended:
            self._hold(w, due)
        self._measure(ended)
        for w in ended:
            self._turn(w, int(self.part[w]) + 1)
        self._plan()
        told, self._restored = sorted({*ended, *self._restored}), []
        return [self._says(w) for w in told]

    def _turn(self, w: int, part: int) -> None:
        """Begin a part; those between, that nobody saw, are empty."""
        for empty in range(max(int(self.part[w]) + 1, part - self.k + 1), part + 1):
            slot = empty % self.k
            self.area[w, slot] = self.seen[w, slot] = self.changes[w, slot] = 0.0
            self.low[w, slot], self.high[w, slot] = np.inf, -np.inf
        self.part[w] = part
        held, slot = self.held[w], part % self.k
        if not math.isnan(held):
            self.low[w, slot] = self.high[w, slot] = held

    def _measure(self, ended: Sequence[int]) -> None:
        by_kind: dict[type, list[int]] = {}
        for w in ended:
            by_kind.setdefault(type(self.windows[w]), []).append(w)
        for kind, found in by_kind.items():
            ws = np.array(found, dtype=np.int64)
            values, least = _KINDS[kind](self, ws)
            unseen, bounds = np.isnan(self.held[ws]), self._bounds[ws]
            self.last[ws] = np.where(unseen & ~bounds, np.nan, values)
            self.least[ws] = least | (unseen & bounds)

    def means(self, ws: NDArray[np.int64]) -> NDArray[np.float64]:
        """(w, k) mean of each part, oldest first; NaN where less than half of it was seen."""
        order = (self.part[ws, None] + 1 + np.arange(self.k)) % self.k
        rows = ws[:, None]
        seen: NDArray[np.float64] = self.seen[rows, order]
        known = seen >= self._length[ws, None] / 2
        safe = np.where(known, seen, 1.0)
        found: NDArray[np.float64] = np.where(known, self.area[rows, order] / safe, np.nan)
        return found

    def _coverage(self, ws: NDArray[np.int64]) -> NDArray[np.float64]:
        seen: NDArray[np.float64] = self.seen[ws].sum(axis=1)
        return seen / (self._length[ws] * self.k)

    def slope(self, ws: NDArray[np.int64]) -> tuple[NDArray[np.float64], list[bool]]:
        found = np.empty(len(ws))
        for length in np.unique(self._length[ws]):
            same = self._length[ws] == length
            found[same] = trend.slopes(self.means(ws[same]), length / MINUTE_NS)
        return found, [False] * len(ws)

    def time_to(self, ws: NDArray[np.int64]) -> tuple[NDArray[np.float64], list[bool]]:
        found = np.empty(len(ws))
        kinds = [m for m in (self.windows[w] for w in ws) if isinstance(m, TimeTo)]
        limit = np.array([m.limit for m in kinds])
        sign = np.array([1.0 if m.side == "high" else -1.0 for m in kinds])
        guard = np.array([m.guard for m in kinds])
        step = np.array([self._points[w].resolution for w in ws])
        for length in np.unique(self._length[ws]):
            s = self._length[ws] == length
            found[s] = trend.minutes_to(
                self.means(ws[s]), length / MINUTE_NS, limit[s], sign[s], guard[s], step[s]
            )
        return found, [False] * len(ws)

    def spread(self, ws: NDArray[np.int64]) -> tuple[NDArray[np.float64], list[bool]]:
        top, bottom = self.high[ws].max(axis=1), self.low[ws].min(axis=1)
        zero = np.array([m.zero for m in (self.windows[w] for w in ws) if isinstance(m, Spread)])
        floor = np.array([self._points[w].low for w in ws])
        known = self._coverage(ws) >= trend.COVERED
        spread = np.where(known, top, 0.0) - np.where(known, bottom, 0.0)
        resting = (zero > 0) & (top <= floor + zero)
        return np.where(known, np.where(resting, np.inf, spread), np.nan), [False] * len(ws)

    def changed(self, ws: NDArray[np.int64]) -> tuple[NDArray[np.float64], list[bool]]:
        known = self._coverage(ws) >= trend.COVERED
        return self.changes[ws].sum(axis=1), (~known).tolist()

    def exposure(self, ws: NDArray[np.int64]) -> tuple[NDArray[np.float64], list[bool]]:
        window = (self._length[ws] * self.k).astype(np.float64)
        area, seen = self.area[ws].sum(axis=1), self.seen[ws].sum(axis=1)
        known = seen >= trend.COVERED * window
        mean = area / np.where(known, seen, window)
        return np.maximum(mean, area / window), (~known).tolist()

    def apart(self, ws: NDArray[np.int64]) -> tuple[NDArray[np.float64], list[bool]]:
        own = self.means(ws)
        found = [
            trend.apart(mine, self.means(self._peers[w]), self._points[w].span)
            for mine, w in zip(own, ws.tolist(), strict=True)
        ]
        return np.array(found), [False] * len(found)

    # State ---------------------------------------------------------------------------------

    def snapshot(self, now: int) -> dict[str, NDArray[Any]]:
        """The columns by name, as they are (no copy), with all that was seen until now."""
        known = np.flatnonzero(~np.isnan(self.held))
        lasted = (now - self.since[known]).astype(np.float64)
        slot = self.part[known] % self.k
        self.area[known, slot] += self.held[known] * lasted
        self.seen[known, slot] += lasted
        self.since[known] = now
        return {name: getattr(self, name) for name in _STATE}

    def restore(
        self, saved: Mapping[str, NDArray[Any]], here: Sequence[int], there: Sequence[int], now: int
    ) -> None:
        """Take the rows `there` of saved columns as the rows `here`; until `now` nobody looked."""
        for name in _STATE:
            getattr(self, name)[list(here)] = saved[name][list(there)]
        for w in here:
            self.held[w] = np.nan
            self.since[w] = now
            self.awaited[self._points[w].index] = True
            part = max(int(now // self._length[w]), int(self.part[w]))
            if part > self.part[w]:
                self._turn(w, part)
                self.last[w], self.least[w] = np.nan, False
        self._restored += here
        self.due = now  # What is a lower bound says so without its point.


_KINDS = {
    Slope: Windows.slope,
    TimeTo: Windows.time_to,
    Spread: Windows.spread,
    Changes: Windows.changed,
    Exposure: Windows.exposure,
    Apart: Windows.apart,
}


def parts_of(measure: Window) -> int:
    """Into how many parts a window is cut: a STEL is judged each minute, a TWA each 10 minutes."""
    if isinstance(measure, Exposure):
        return TWA_PARTS if measure.window_ns >= HOUR_NS else STEL_PARTS
    return PARTS


def make(site: Site, table: Table, now: int) -> list[Windows]:
    """The windows of a site, one `Windows` for each number of parts."""
    by_parts: dict[int, list[tuple[int, Window]]] = {}
    for i, measure in enumerate(table.measures):
        if isinstance(measure, Window):
            by_parts.setdefault(parts_of(measure), []).append((table.points + i, measure))
    return [Windows(site, found, k, now) for k, found in by_parts.items()]
