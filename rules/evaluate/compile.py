"""The compiled form: one row per condition, rows of a channel adjacent, state in arrays.

A channel is what a condition compares: the points come first, then every other measure once. So
rates, formulas and exposures are judged, delayed and kept by the same few functions as a limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.grade import Grade
from parkwatch.rules.measures import Apart, Formula, Measure
from parkwatch.rules.site import SECOND_NS, Limit, Site

NEVER = int(np.iinfo(np.int64).max)
FALSE, TRUE, UNKNOWN = 0, 1, 2
FAULT_OFF_NS = 10 * SECOND_NS
GATED, YIELDED = 1, 2
"""Why a row is off: its enable expression is FALSE, or the real limit alarm of its point runs."""

Key = str | tuple[int, str]
"""An alarm of rows: its id where it was declared, else (point, group)."""


def ints(column: NDArray[Any]) -> memoryview[int]:
    """A column of integers or booleans; one element costs 40 ns here and 100 ns through numpy."""
    return memoryview(cast("Any", column))


def floats(column: NDArray[np.float64]) -> memoryview[float]:
    """The same for floats."""
    return cast("memoryview[float]", memoryview(cast("Any", column)))


def by_point(
    of: Mapping[int, Sequence[int]], points: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What each of n points has, flat: of point p it is `flat[begin[p]:begin[p + 1]]`."""
    counts = np.zeros(points + 1, dtype=np.int64)
    for point, own in of.items():
        counts[point + 1] = len(own)
    flat = [one for point in sorted(of) for one in of[point]]
    return np.cumsum(counts), np.array(flat, dtype=np.int64)


def stretches(
    begin: NDArray[np.int64], keys: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All positions `begin[k]` to `begin[k + 1]` of some keys, in their order, and (n,) how many
    each has."""
    starts = begin[keys]
    counts = begin[keys + 1] - starts
    firsts = np.cumsum(counts) - counts
    every: NDArray[np.int64] = np.repeat(starts - firsts, counts) + np.arange(counts.sum())
    return every, counts


class Views:
    """The columns of a table element by element: the same memory."""

    def __init__(self, table: Table) -> None:
        self.limit, self.release = floats(table.limit), floats(table.release)
        self.high, self.fault = ints(table.high), ints(table.fault)
        self.on_ns, self.off_ns = ints(table.on_ns), ints(table.off_ns)
        self.truth, self.holds, self.live = ints(table.truth), ints(table.holds), ints(table.live)
        self.since, self.due, self.left = ints(table.since), ints(table.due), ints(table.left)
        self.off = ints(table.off)


class Table:
    """Columns over r rows; `span[c]` are the rows of channel c, a point's fault row last.

    Constant: `channel` int32, `high` bool (the side), `limit` and `release` float64 (reached at the
    one, over only at the other), `on_ns`, `off_ns` int64, `fault` bool. State: `truth` int8,
    `holds` bool (the last known truth, its delay aside), `live` bool (from the end of the on-delay
    to the end of the off-delay), `since` int64 (engine time at which it became TRUE), `due` int64
    (when its running delay ends), `left` int64 (what was left of a delay that UNKNOWN paused; NEVER
    where there is none), `off` uint8 (bits GATED, YIELDED: the condition is FALSE).
    `gates[c]` are the rows that channel c enables, `suppressing[c]` the numbers of the suppressions
    that it switches.
    """

    def __init__(self, site: Site) -> None:
        self.points = len(site.points)
        self.measures: list[Measure] = []
        number: dict[Measure, int] = {}
        per_channel: list[list[Limit]] = [[] for _ in site.points]
        gated: list[tuple[int, Limit]] = []
        for limit in site.limits:
            assert limit.group != "fault", "the fault row of a point is the engine's own"
            if limit.enable is not None:
                gated.append((self._channel(limit.enable, number, per_channel), limit))
            channel = limit.point
            if limit.measure is not None:
                channel = self._channel(limit.measure, number, per_channel)
            per_channel[channel].append(limit)
        self.suppressing: dict[int, list[int]] = {}
        for number_of, suppression in enumerate(site.suppressions):
            channel = self._channel(suppression.when, number, per_channel)
            self.suppressing.setdefault(channel, []).append(number_of)
        self._peers(number, per_channel)
        self.limits: list[Limit] = []
        begin = [0]
        for channel, own in enumerate(per_channel):
            if len(own) > 1:
                own.sort(key=_order)
            self.limits += own
            if channel < self.points:
                self.limits.append(_fault(channel))
            begin.append(len(self.limits))
        self.channels = len(per_channel)
        self.begin = np.array(begin, dtype=np.int64)
        self.span: list[range] = [range(a, b) for a, b in pairwise(begin)]
        counts = np.diff(self.begin)
        self.channel = np.repeat(np.arange(self.channels, dtype=np.int32), counts)
        self._columns()
        self._groups(gated)

    def _channel(
        self, measure: Measure, number: dict[Measure, int], rows: list[list[Limit]]
    ) -> int:
        found = number.get(measure)
        if found is None:
            found = number[measure] = len(rows)
            self.measures.append(measure)
            rows.append([])
        return found

    def _peers(self, number: dict[Measure, int], rows: list[list[Limit]]) -> None:
        """Channels without rows for detectors that are only compared with."""
        apart = [measure for measure in self.measures if isinstance(measure, Apart)]
        known = {(measure.point, measure.window_ns) for measure in apart}
        for measure in apart:
            for peer in measure.peers:
                if (peer, measure.window_ns) not in known:
                    self._channel(Apart(peer, (), measure.window_ns), number, rows)

    def _columns(self) -> None:
        rows, n = self.limits, len(self.limits)
        self.high = np.array([row.side == "high" for row in rows], dtype=np.bool_)
        self.limit = np.array([row.limit for row in rows], dtype=np.float64)
        self.release = np.array([_release(row) for row in rows], dtype=np.float64)
        self.on_ns = np.array([row.on_delay_ns for row in rows], dtype=np.int64)
        self.off_ns = np.array([row.off_delay_ns for row in rows], dtype=np.int64)
        self.fault = np.array([row.group == "fault" for row in rows], dtype=np.bool_)
        self.truth: NDArray[np.int8] = np.full(n, UNKNOWN, dtype=np.int8)
        self.holds: NDArray[np.bool_] = np.zeros(n, dtype=np.bool_)
        self.live: NDArray[np.bool_] = np.zeros(n, dtype=np.bool_)
        self.since: NDArray[np.int64] = np.zeros(n, dtype=np.int64)
        self.due: NDArray[np.int64] = np.full(n, NEVER, dtype=np.int64)
        self.left: NDArray[np.int64] = np.full(n, NEVER, dtype=np.int64)
        self.off: NDArray[np.uint8] = np.zeros(n, dtype=np.uint8)
        self.at = Views(self)
        self.overrides = sorted(
            ((limit.until, row) for row, limit in enumerate(rows) if limit.until), reverse=True
        )
        self.timers: list[tuple[int, int]] = []
        """A heap of (due, row); an entry whose row has another `due` by now says nothing."""

    def _groups(self, gated: list[tuple[int, Limit]]) -> None:
        """Rows by alarm; a point's own alarms are named by index, so that ids are made when used.

        Armed and shadow rows of one alarm are two groups that never meet.
        """
        self.groups: dict[Key, list[int]] = {}
        self.shadows: dict[Key, list[int]] = {}
        self.yielding: dict[int, list[int]] = {}
        for row, limit in enumerate(self.limits):
            groups = self.shadows if limit.shadow else self.groups
            groups.setdefault(limit.alarm or (limit.point, limit.group), []).append(row)
            if limit.yields:
                self.yielding.setdefault(limit.point, []).append(row)
        for groups in (self.groups, self.shadows):
            for rows in groups.values():
                if len(rows) > 1:
                    rows.sort(key=lambda row: (self.limits[row].level, row))
        where: dict[int, list[int]] = {}
        if gated:
            number = {id(limit): row for row, limit in enumerate(self.limits)}
            for channel, limit in gated:
                where.setdefault(channel, []).append(number[id(limit)])
        self.gates = where

    def fall_back(self, due: int) -> list[int]:
        """The rows whose override ended by `due`: their limit is the legal bound again."""
        rows = []
        while self.overrides and self.overrides[-1][0] <= due:
            row = self.overrides.pop()[1]
            bound = replace(self.limits[row], limit=self.limits[row].bound, until=0)
            self.limits[row] = bound
            self.at.limit[row], self.at.release[row] = bound.limit, _release(bound)
            rows.append(row)
        return rows

    def key(self, row: int) -> Key:
        """The alarm of a row, as `groups` and `shadows` name it."""
        limit = self.limits[row]
        return limit.alarm or (limit.point, limit.group)

    def rows_of(self, channels: NDArray[np.int32]) -> NDArray[np.int64]:
        """The rows of some channels, in the channels' order."""
        rows, _ = stretches(self.begin, channels)
        return rows

    def formulas(self) -> list[tuple[int, Formula]]:
        """Formula measures and enable expressions with their channels."""
        return [(self.points + i, m) for i, m in enumerate(self.measures) if isinstance(m, Formula)]


def _order(row: Limit) -> tuple[str, str, int]:
    return (row.alarm, row.group, row.level)


def _fault(point: int) -> Limit:
    return Limit(point, "fault", 1, "high", 0.0, Grade.BLUE, off_delay_ns=FAULT_OFF_NS, kind="")


def _release(row: Limit) -> float:
    """At or beyond which value the condition is over; rounded, so that 0.12 - 0.012 is 0.108."""
    if not row.deadband:
        return row.limit
    return round(row.limit - row.deadband if row.side == "high" else row.limit + row.deadband, 9)
