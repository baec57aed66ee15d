"""Which device or gateway carries a point, and what its silence says about the point's own fault.

While `DEVICE:link` is active, the `fault` alarms of reason comms or stale of its points are
suppressed by design: the one link alarm speaks for them and counts them (contracts.md, Identity).
The mask outlives the link alarm until the point itself was seen: a link that returns does not
announce a fault of each of its points for the seconds until their first reading.
"""

from __future__ import annotations

from collections.abc import Sequence

from parkwatch.rules.alarms.book import Book
from parkwatch.rules.alarms.masks import LINK
from parkwatch.rules.grade import Grade, highest
from parkwatch.rules.quality import REASON_MASK, Reason
from parkwatch.rules.site import Site


class Links:
    """Links by point, points by link; `masked` are the points whose fault is suppressed."""

    def __init__(self, site: Site, book: Book) -> None:
        self._book = book
        self._site = site
        self.points: dict[str, list[int]] = {}
        self.of: list[tuple[str, ...]] = []
        for point in site.points:
            device = site.devices.get(point.device)
            gateway = device.gateway if device is not None else ""
            links = tuple(f"{owner}:link" for owner in (point.device, gateway) if owner)
            self.of.append(links)
            for link in links:
                self.points.setdefault(link, []).append(point.index)

    def fault(self, point: int) -> str:
        """The id of a point's fault alarm."""
        return f"{self._site.points[point].id}:fault"

    def active(self, point: int) -> list[str]:
        """The active link alarms over a point."""
        return [link for link in self.of[point] if self._book.live_level(link)]

    def speaks(self, point: int, quality: int) -> bool:
        """Whether a link speaks for a point's fault alarm whose channel reads so."""
        if quality & REASON_MASK not in (Reason.STALE, Reason.COMMS):
            return False
        return bool(self.active(point))

    def suppressed(self, points: Sequence[int]) -> list[int]:
        """Those points whose fault alarm is under the mask."""
        alarms = (self._book.alarms.get(self.fault(point)) for point in points)
        return [
            point
            for point, alarm in zip(points, alarms, strict=True)
            if alarm is not None and LINK in alarm.masks
        ]

    def grade(self, points: Sequence[int], least: Grade) -> Grade:
        """The highest grade of the faults that a link suppresses, and at least `least`."""
        alarms = (self._book.alarms.get(self.fault(point)) for point in points)
        return highest(least, *(a.grade for a in alarms if a is not None and LINK in a.masks))
