"""Level 2 that is learned too late to be news: one orange event a point, outside votes and latches.

Two ways lead here. A reading that is late (history knows it, nobody did), and one of a burst whose
on-delay never ran out: what the broker kept for us, handed over within milliseconds
(contracts.md, Time).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parkwatch.rules.alarms.alarm import Live
from parkwatch.rules.alarms.book import Book
from parkwatch.rules.evaluate import kernel
from parkwatch.rules.evaluate.channels import Channels
from parkwatch.rules.evaluate.compile import Table
from parkwatch.rules.grade import Grade
from parkwatch.rules.quality import reason_name, status_name
from parkwatch.rules.site import SECOND_NS, Site
from parkwatch.rules.transition import Transition

GROUP = "late"
_GRAVE = (Grade.ORANGE, Grade.RED)


@dataclass(frozen=True, slots=True)
class Seen:
    """A reading that reached a row of level 2."""

    row: int
    value: float
    quality: int
    time: int


class Lates:
    """`told`: the reading, as (source time, value), that made the newest event of a point: what is
    sent again is no news. `burning`: points that reached level 2 in a burst and have neither
    raised their alarm nor left the level since."""

    def __init__(self, site: Site, table: Table, channels: Channels, book: Book) -> None:
        self._points, self._table, self._channels, self._book = site.points, table, channels, book
        self.told: dict[str, tuple[int, float | None]] = {}
        self.burning: dict[int, Seen] = {}

    def news(self, point: int, value: float, quality: int, time: int) -> Seen | None:
        """What a late reading of a point says that nobody was told."""
        seen = self._seen(point, value, quality, time)
        return seen if seen is not None and self._is_news(point, seen) else None

    def burst(self, point: int, value: float, quality: int, time: int) -> None:
        """A reading of a burst, before it is judged: whether it begins something to watch."""
        seen = self._seen(point, value, quality, time)
        if seen is not None and not self._table.at.live[seen.row]:
            self.burning.setdefault(point, seen)

    def settle(self, point: int, now: int) -> list[Transition]:
        """A reading of a burning point was judged: it raised its alarm, or left the level."""
        seen, at = self.burning[point], self._table.at
        if at.holds[seen.row] and not at.live[seen.row]:
            return []
        del self.burning[point]
        new = not at.live[seen.row] and self._is_news(point, seen)
        return self.tell(point, seen, now) if new else []

    def acknowledged(self, alarm: str, now: int) -> list[Transition]:
        """What is seen is over: there is no condition that could last."""
        found = self._book.alarms.get(alarm)
        if found is None or not alarm.endswith(f":{GROUP}") or found.state != "ack_active":
            return []
        return self._book.level(alarm, now, Live(0, found.grade, now, found.cause))

    def snapshot(self) -> dict[str, Any]:
        """As plain JSON, by the ids of points."""
        burning = {self._points[p].id: s for p, s in self.burning.items()}
        return {
            "told": {point: list(told) for point, told in self.told.items()},
            "burning": {point: [s.value, s.quality, s.time] for point, s in burning.items()},
        }

    def restore(self, state: Mapping[str, Any], index: Mapping[str, int]) -> None:
        """The reverse of `snapshot`; `index`: of points by id, those that are gone left out."""
        self.told.update({point: (at, value) for point, (at, value) in state["told"].items()})
        for point, reading in state["burning"].items():
            seen = self._seen(index[point], *reading) if point in index else None
            if seen is not None:
                self.burning[index[point]] = seen

    def fold(self, t: Transition) -> None:
        """A journaled transition of one of these events."""
        owner, _, group = t.alarm.rpartition(":")
        if group == GROUP and "reached" in t.cause:
            self.told[owner] = (t.cause["reached"], t.cause["value"])

    def _seen(self, point: int, value: float, quality: int, time: int) -> Seen | None:
        """The highest grave row of a point that a reading reaches by itself."""
        value, quality = self._channels.meant(point, value, quality)
        limits = self._table.limits
        for row in reversed(self._table.span[point]):
            limit = limits[row]
            grave = limit.level >= 2 or limit.votes or limit.grade in _GRAVE
            ours = limit.group != "fault" and not limit.shadow and grave
            if ours and kernel.reaches(self._table, row, value, quality):
                return Seen(row, value, quality, time)
        return None

    def _is_news(self, point: int, seen: Seen) -> bool:
        return self.told.get(self._points[point].id) != (seen.time, _shown(seen.value))

    def tell(self, point: int, seen: Seen, now: int) -> list[Transition]:
        """The event of a point, one as long as nobody has acknowledged it."""
        mine = self._points[point]
        self.told[mine.id] = (seen.time, _shown(seen.value))
        limit, alarm = self._table.limits[seen.row], f"{mine.id}:{GROUP}"
        cause = {
            "tag": mine.tag, "point": mine.id, "unit": mine.unit,
            "value": _shown(seen.value),
            "quality": status_name(seen.quality), "reason": reason_name(seen.quality),
            "limit": limit.limit, "side": limit.side, "clause": limit.clause,
            "deadband": limit.deadband, "on_delay_s": limit.on_delay_ns / SECOND_NS,
            "reached": seen.time, "learned": now,
        }  # fmt: skip
        return self._book.level(alarm, now, Live(1, Grade.ORANGE, now, cause))


def _shown(value: float) -> float | None:
    return value if math.isfinite(value) else None
