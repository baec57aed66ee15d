"""Why an alarm is as it is, as plain JSON: what people read, and what a fold restores from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parkwatch.rules.channels import Channels
from parkwatch.rules.compile import Table
from parkwatch.rules.quality import reason_name, status_name
from parkwatch.rules.site import SECOND_NS, Site
from parkwatch.rules.vote import Electorate, Verdict


class Causes:
    """Writes causes from the columns as they are now."""

    def __init__(self, site: Site, table: Table, channels: Channels) -> None:
        self._points = site.points
        self._table = table
        self._channels = channels

    def of_row(self, row: int, now: int, *, raised: bool) -> dict[str, Any]:
        """The cause of a row of a point: value, limit with side and clause, quality and reason.

        `held_s`, only where it is `raised`: how long the condition was TRUE when it said so.
        """
        limit = self._table.limits[row]
        point = self._points[limit.point]
        quality = int(self._channels.qualities[limit.point])
        cause: dict[str, Any] = {
            "tag": point.tag,
            "point": point.id,
            "value": self._channels.finite(limit.point),
            "unit": point.unit,
            "quality": status_name(quality),
            "reason": reason_name(quality),
        }
        if limit.group != "fault":
            cause |= {"limit": limit.limit, "side": limit.side, "clause": limit.clause}
        if raised:
            cause["held_s"] = round((now - int(self._table.since[row])) / SECOND_NS, 3)
        return cause

    def of_vote(self, electorate: Electorate, verdict: Verdict) -> dict[str, Any]:
        """The cause of a vote: who votes, and whether one alone had to do."""
        return {
            "tag": electorate.zone.rpartition("/")[2],
            "gas": electorate.gas,
            "single": verdict.healthy < 2,
            "healthy": verdict.healthy,
            "unit": self._points[electorate.points[0]].unit,
            "voters": self.voters(verdict.voters),
        }

    def voters(self, points: Sequence[int]) -> list[dict[str, Any]]:
        """Tag, point, value (None where it is lost) and unit of voters."""
        return [
            {
                "tag": self._points[p].tag,
                "point": self._points[p].id,
                "value": self._channels.finite(p),
                "unit": self._points[p].unit,
            }
            for p in points
        ]
