"""The compiled form: one row per (point, condition), rows of a point adjacent, state in arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.grade import Grade
from parkwatch.rules.site import SECOND_NS, Limit, Site

NEVER = int(np.iinfo(np.int64).max)
FALSE, TRUE, UNKNOWN = 0, 1, 2
FAULT_OFF_NS = 10 * SECOND_NS


class Table:
    """Columns over r rows; `begin[p]:begin[p + 1]` are the rows of point p, its fault row last.

    Constant: `point` int32, `sign` float64 (+1 high, -1 low), `limit`, `deadband` float64,
    `on_ns`, `off_ns` int64, `fault` bool. State: `truth` int8, `holds` bool (the last known truth,
    its delay aside), `live` bool (from the end of the on-delay to the end of the off-delay),
    `since` int64 (engine time at which it became TRUE), `due` int64 (when its running delay ends,
    NEVER where none runs), `left` int64 (what was left of a delay that UNKNOWN paused).
    """

    def __init__(self, site: Site) -> None:
        per_point: list[list[Limit]] = [[] for _ in site.points]
        for limit in site.limits:
            per_point[limit.point].append(limit)
        self.limits: list[Limit] = []
        begin = [0]
        for index, own in enumerate(per_point):
            fault = Limit(index, "fault", 1, "high", 0.0, Grade.BLUE, off_delay_ns=FAULT_OFF_NS)
            self.limits += [*sorted(own, key=lambda row: (row.group, row.level)), fault]
            begin.append(len(self.limits))
        rows = self.limits
        self.begin = np.array(begin, dtype=np.int64)
        self.point = np.array([row.point for row in rows], dtype=np.int32)
        self.sign = np.array([1.0 if row.side == "high" else -1.0 for row in rows])
        self.limit = np.array([row.limit for row in rows], dtype=np.float64)
        self.deadband = np.array([row.deadband for row in rows], dtype=np.float64)
        self.on_ns = np.array([row.on_delay_ns for row in rows], dtype=np.int64)
        self.off_ns = np.array([row.off_delay_ns for row in rows], dtype=np.int64)
        self.fault = np.array([row.group == "fault" for row in rows], dtype=np.bool_)
        n = len(rows)
        self.truth: NDArray[np.int8] = np.full(n, UNKNOWN, dtype=np.int8)
        self.holds: NDArray[np.bool_] = np.zeros(n, dtype=np.bool_)
        self.live: NDArray[np.bool_] = np.zeros(n, dtype=np.bool_)
        self.since: NDArray[np.int64] = np.zeros(n, dtype=np.int64)
        self.due: NDArray[np.int64] = np.full(n, NEVER, dtype=np.int64)
        self.left: NDArray[np.int64] = np.zeros(n, dtype=np.int64)
        self.groups: dict[tuple[int, str], list[int]] = {}
        for row, limit in enumerate(rows):
            self.groups.setdefault((limit.point, limit.group), []).append(row)

    def rows_of(self, points: NDArray[np.int32]) -> NDArray[np.int64]:
        """The rows that some points touch, in the points' order."""
        starts, ends = self.begin[points], self.begin[points + 1]
        counts = ends - starts
        offsets = np.repeat(np.cumsum(counts) - counts, counts)
        rows: NDArray[np.int64] = np.repeat(starts, counts) + np.arange(len(offsets)) - offsets
        return rows

    def change(self, row: int, truth: int, now: int, on_ns: int) -> bool:
        """Take a row's new truth; True where its `live` changed at once (no delay to wait for).

        UNKNOWN pauses a running delay and keeps what is left of it; the same truth resumes it,
        the other one ends it.
        """
        self.truth[row] = truth
        if truth == UNKNOWN:
            if self.due[row] != NEVER:
                self.left[row] = self.due[row] - now
                self.due[row] = NEVER
            return False
        true = truth == TRUE
        if bool(self.holds[row]) == true:
            if self.left[row]:
                self.due[row] = now + self.left[row]
                self.left[row] = 0
            return False
        self.holds[row] = true
        self.left[row] = 0
        self.due[row] = NEVER
        if true and not self.live[row]:
            self.since[row] = now
        if bool(self.live[row]) == true:
            return False  # It came back while the off-delay ran, or went while the on-delay ran.
        delay = on_ns if true else int(self.off_ns[row])
        if delay == 0:
            self.live[row] = true
            return True
        self.due[row] = now + delay
        return False

    def expire(self, row: int) -> None:
        """A row's delay ran to its end: what held all the time is now so."""
        self.due[row] = NEVER
        self.live[row] = self.holds[row]
