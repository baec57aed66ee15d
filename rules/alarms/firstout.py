"""First-out: which of several trips came first, by source time, and how sure that is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.alarms.book import Book
from parkwatch.rules.measures import Formula
from parkwatch.rules.site import Limit, Site

MS_NS = 1_000_000
_KEPT = ("first_out_of", "trip", "first_out")


class FirstOuts:
    """Reads the first-out of a group from the alarms that are not normal: it stays until reset.

    The state is in the causes of the alarms, so a restart and a fold have it too.
    """

    def __init__(self, site: Site, book: Book) -> None:
        self._points = site.points
        self._book = book

    def kept(self, alarm: str) -> dict[str, Any]:
        """What stays of a trip in the cause of its alarm when its condition is over."""
        before = self._book.alarms.get(alarm)
        return {k: before.cause[k] for k in _KEPT if k in before.cause} if before else {}

    def of(self, limit: Limit, alarm: str, times: NDArray[np.int64]) -> dict[str, Any]:
        """What a trip adds to its cause; `times`: newest source time by point index.

        `uncertainty_ms`: two trips closer than the scans of their points apart cannot be told
        apart; `together` names those.
        """
        mine, group = self._mine(limit, alarm, times), limit.first_out
        known = [
            a.cause["trip"]
            for a in self._book.alarms.values()
            if a.cause.get("first_out_of") == group and a.id != alarm and "trip" in a.cause
        ]
        first = min([*known, mine], key=lambda trip: (trip["time"], trip["point"]))
        near = [
            trip["tag"]
            for trip in (*known, mine)
            if trip is not first
            and trip["time"] - first["time"] <= max(trip["scan_ns"], first["scan_ns"])
        ]
        scan = max(trip["scan_ns"] for trip in (*known, mine))
        return {
            "first_out_of": group,
            "trip": mine,
            "first_out": {
                "tag": first["tag"],
                "point": first["point"],
                "time": first["time"],
                "uncertainty_ms": scan / MS_NS,
                "together": sorted(near),
            },
        }

    def _mine(self, limit: Limit, alarm: str, times: NDArray[np.int64]) -> dict[str, Any]:
        """This trip; one that is already in the book keeps the time of its first."""
        before = self._book.alarms.get(alarm)
        if before is not None and "trip" in before.cause:
            return dict(before.cause["trip"])
        tag, name, points = limit.name or alarm, alarm, [limit.point]
        if limit.point >= 0:
            tag, name = self._points[limit.point].tag, self._points[limit.point].id
        else:  # A rule of a zone trips when the newest of its points does.
            points = list(limit.measure.points) if isinstance(limit.measure, Formula) else []
        return {
            "tag": tag, "point": name, "time": max((int(times[p]) for p in points), default=0),
            "scan_ns": max((self._points[p].scan_ns for p in points), default=0),
        }  # fmt: skip
