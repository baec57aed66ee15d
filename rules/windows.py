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

from parkwatch.rules import trend
from parkwatch.rules.compile import NEVER, Table, by_point
from parkwatch.rules.measure import Apart, Changes, Exposure, Slope, Spread, TimeTo
from parkwatch.rules.site import SECOND_NS, Point, Site

PARTS = 12
STEL_PARTS, TWA_PARTS = 15, 48
HOUR_NS = 3600 * SECOND_NS
MINUTE_NS = 60 * SECOND_NS
Window = Slope | TimeTo | Spread | Changes | Exposure | Apart
_COLUMNS = ("area", "seen", "low", "high", "changes")
_STATE = (*_COLUMNS, "held", "since", "part")


class Windows:
    """All windows of a site with one number of parts `k`; (w, k) rings, (w,) what runs on.

    `of[p]`: windows of a point. `channels[w]`: where each result goes. `due`: when the next part is
    complete. `held`: the value that counts until the next, NaN while the point is not known.
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
        self.since = np.full(n, now, dtype=np.int64)
        self.part: NDArray[np.int64] = now // self._length
        self._begin, self._flat = by_point(self.of, len(site.points))
        self._plan()

    def _plan(self) -> None:
        ends = (self.part + 1) * self._length
        self.due = int(ends.min()) if len(ends) else NEVER

    # Samples -------------------------------------------------------------------------------

    def sample(self, point: int, operand: float, now: int) -> None:
        """What a point reads from now on; +-inf for out of range, NaN for UNKNOWN."""
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
            if not math.isnan(value):
                if not math.isnan(self.held[w]):
                    self.changes[w, slot] += 1
                self.low[w, slot] = min(self.low[w, slot], value)
                self.high[w, slot] = max(self.high[w, slot], value)
            self.held[w] = value

    def sample_many(self, points: NDArray[np.int32], value: NDArray[np.float64], now: int) -> None:
        """The same for many points, none twice, whose values are known and within range."""
        starts = self._begin[points]
        counts = self._begin[points + 1] - starts
        firsts = np.cumsum(counts) - counts
        every = np.repeat(starts - firsts, counts) + np.arange(counts.sum())
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

    def close(self, due: int) -> list[tuple[int, float, bool]]:
        """Complete the parts that end at `due`: (channel, measure, whether it is only a lower
        bound), in order of channel."""
        ended = np.flatnonzero((self.part + 1) * self._length <= due).tolist()
        for w in ended:
            self._hold(w, due)
        found = sorted(self._measure(ended))
        for w in ended:
            self._turn(w, int(self.part[w]) + 1)
        self._plan()
        return found

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

    def _measure(self, ended: Sequence[int]) -> list[tuple[int, float, bool]]:
        by_kind: dict[type, list[int]] = {}
        for w in ended:
            by_kind.setdefault(type(self.windows[w]), []).append(w)
        found: list[tuple[int, float, bool]] = []
        for kind, ws in by_kind.items():
            values, least = _KINDS[kind](self, np.array(ws, dtype=np.int64))
            found += zip((self.channels[w] for w in ws), values.tolist(), least, strict=True)
        return found

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
        means = self.means(np.arange(len(self.windows)))
        place = {m.point: i for i, m in enumerate(self.windows) if isinstance(m, Apart)}
        found = []
        for w in ws.tolist():
            measure = self.windows[w]
            assert isinstance(measure, Apart)
            peers = [place[p] for p in measure.peers if p in place]
            found.append(trend.apart(means[w], means[peers], self._points[w].span))
        return np.array(found), [False] * len(found)

    # State ---------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """The columns by name, as they are (no copy)."""
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
            part = max(int(now // self._length[w]), int(self.part[w]))
            if part > self.part[w]:
                self._turn(w, part)
        self._plan()


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
