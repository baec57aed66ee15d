"""First-out: which of several trips came first, by source time, and how sure that is."""

from __future__ import annotations

from typing import Any

from parkwatch.rules.alarms import Book
from parkwatch.rules.site import Site

MS_NS = 1_000_000


class FirstOuts:
    """Reads the first-out of a group from the alarms that are not normal: it stays until reset.

    The state is in the causes of the alarms, so a restart and a fold have it too.
    """

    def __init__(self, site: Site, book: Book) -> None:
        self._points = site.points
        self._book = book

    def of(self, group: str, alarm: str, point: int, time: int) -> dict[str, Any]:
        """What a trip adds to its cause. `uncertainty_ms`: two trips closer than the scans of
        their points apart cannot be told apart; `together` names those."""
        mine = self._mine(alarm, point, time)
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

    def _mine(self, alarm: str, point: int, time: int) -> dict[str, Any]:
        """This trip; one that is already in the book keeps the time of its first."""
        before = self._book.alarms.get(alarm)
        if before is not None and "trip" in before.cause:
            return dict(before.cause["trip"])
        declared = self._points[point]
        return {
            "tag": declared.tag, "point": declared.id, "time": time, "scan_ns": declared.scan_ns,
        }  # fmt: skip
