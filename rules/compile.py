"""The compiled form: one row per (point, condition), rows of a point adjacent, state in arrays."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.grade import Grade
from parkwatch.rules.site import SECOND_NS, Limit, Site

NEVER = int(np.iinfo(np.int64).max)
FALSE, TRUE, UNKNOWN = 0, 1, 2
FAULT_OFF_NS = 10 * SECOND_NS


class Table:
    """Columns over r rows; `begin[p]:begin[p + 1]` are the rows of point p, its fault row last.

    Constant: `point` int32, `high` bool (the side), `limit` and `release` float64 (reached at the
    one, over only at the other; both times `sign`, so that a larger number is always worse),
    `on_ns`, `off_ns` int64, `fault` bool. State: `truth` int8, `holds` bool (the last known truth,
    its delay aside), `live` bool (from the end of the on-delay to the end of the off-delay),
    `since` int64 (engine time at which it became TRUE), `due` int64 (when its running delay ends),
    `left` int64 (what was left of a delay that UNKNOWN paused); NEVER where there is none.
    """

    def __init__(self, site: Site) -> None:
        per_point: list[list[Limit]] = [[] for _ in site.points]
        for limit in site.limits:
            assert limit.group != "fault", "the fault row of a point is the engine's own"
            per_point[limit.point].append(limit)
        self.limits: list[Limit] = []
        begin = [0]
        for index, own in enumerate(per_point):
            fault = Limit(index, "fault", 1, "high", 0.0, Grade.BLUE, off_delay_ns=FAULT_OFF_NS)
            self.limits += [*sorted(own, key=lambda row: (row.group, row.level)), fault]
            begin.append(len(self.limits))
        rows = self.limits
        self.begin = np.array(begin, dtype=np.int64)
        self.span: list[range] = [range(a, b) for a, b in pairwise(begin)]
        self.point = np.array([row.point for row in rows], dtype=np.int32)
        self.high = np.array([row.side == "high" for row in rows], dtype=np.bool_)
        self.sign = np.where(self.high, 1.0, -1.0)
        self.limit = self.sign * np.array([row.limit for row in rows], dtype=np.float64)
        self.release = self.sign * np.array([_release(row) for row in rows], dtype=np.float64)
        self.on_ns = np.array([row.on_delay_ns for row in rows], dtype=np.int64)
        self.off_ns = np.array([row.off_delay_ns for row in rows], dtype=np.int64)
        self.fault = np.array([row.group == "fault" for row in rows], dtype=np.bool_)
        n = len(rows)
        self.truth: NDArray[np.int8] = np.full(n, UNKNOWN, dtype=np.int8)
        self.holds: NDArray[np.bool_] = np.zeros(n, dtype=np.bool_)
        self.live: NDArray[np.bool_] = np.zeros(n, dtype=np.bool_)
        self.since: NDArray[np.int64] = np.zeros(n, dtype=np.int64)
        self.due: NDArray[np.int64] = np.full(n, NEVER, dtype=np.int64)
        self.left: NDArray[np.int64] = np.full(n, NEVER, dtype=np.int64)
        self.groups: dict[tuple[int, str], list[int]] = {}
        for row, limit in enumerate(rows):
            self.groups.setdefault((limit.point, limit.group), []).append(row)

    def rows_of(self, points: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows that some points touch, in the points' order, and where each point's begin."""
        starts = self.begin[points]
        counts = self.begin[points + 1] - starts
        firsts = np.cumsum(counts) - counts
        rows: NDArray[np.int64] = np.repeat(starts - firsts, counts) + np.arange(counts.sum())
        return rows, firsts


def _release(row: Limit) -> float:
    """At or beyond which value the condition is over; rounded, so that 0.12 - 0.012 is 0.108."""
    return round(row.limit - row.deadband if row.side == "high" else row.limit + row.deadband, 9)
