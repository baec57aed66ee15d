"""Why an alarm is as it is, as plain JSON: what people read, and what a fold restores from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from parkwatch.rules.alarms.vote import Electorate, Verdict
from parkwatch.rules.evaluate.channels import Channels
from parkwatch.rules.evaluate.compile import Table
from parkwatch.rules.measures import (
    Age,
    Apart,
    Changes,
    Exposure,
    Formula,
    Measure,
    Slope,
    Spread,
    TimeTo,
)  # fmt: skip
from parkwatch.rules.measures.windows import MINUTE_NS
from parkwatch.rules.quality import reason_name, status_name
from parkwatch.rules.site import SECOND_NS, Site


class Causes:
    """Writes causes from the columns as they are now."""

    def __init__(self, site: Site, table: Table, channels: Channels) -> None:
        self._points = site.points
        self._table = table
        self._channels = channels

    def of_row(self, row: int, now: int, *, raised: bool) -> dict[str, Any]:
        """The cause of a row: value, limit with side and clause, quality and reason.

        `held_s`, only where it is `raised`: how long the condition was TRUE when it said so. Where
        something else than the owner's value is compared: `measure`, `measured` and `inputs`.
        """
        limit = self._table.limits[row]
        cause: dict[str, Any] = {}
        if limit.point >= 0:
            point = self._points[limit.point]
            cause = {"tag": point.tag, **self._sample(limit.point)}
        if limit.group != "fault":
            cause |= {
                "limit": limit.limit, "side": limit.side, "clause": limit.clause,
                "deadband": limit.deadband, "on_delay_s": limit.on_delay_ns / SECOND_NS,
            }  # fmt: skip
            if limit.name:
                cause["name"] = limit.name
        elif limit.point in self._channels.beyond:
            cause["value"] = self._channels.beyond[limit.point]
            cause["full_scale"] = self._points[limit.point].high
        if limit.measure is not None:
            cause |= self._measured(row, limit.measure)
            cause["kind"] = limit.kind
        if raised:
            cause["held_s"] = round((now - self._table.at.since[row]) / SECOND_NS, 3)
        return cause

    def _sample(self, index: int) -> dict[str, Any]:
        quality, point = self._channels.at_quality[index], self._points[index]
        return {
            "point": point.id,
            "value": self._channels.finite(index),
            "unit": point.unit,
            "quality": status_name(quality),
            "reason": reason_name(quality),
        }

    def _measured(self, row: int, measure: Measure) -> dict[str, Any]:
        value = float(self._channels.values[int(self._table.channel[row])])
        points = measure.points if isinstance(measure, Formula) else (measure.point,)
        if isinstance(measure, Apart):
            points = (measure.point, *measure.peers)
        cause: dict[str, Any] = {
            "measure": _words(measure),
            "measured": value if math.isfinite(value) else None,
            "inputs": [{"tag": self._points[p].tag, **self._sample(p)} for p in points],
        }
        if isinstance(measure, Formula):
            cause["expression"] = measure.program.text
        else:
            cause["measured_unit"] = _unit(measure, self._points[measure.point].unit)
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

    def of_blind(self, electorate: Electorate, lost: Sequence[int]) -> dict[str, Any]:
        """The cause of a zone's blindness: which detectors are lost, and how many are left."""
        total = len(electorate.heads)
        tags = ", ".join(self._points[p].tag for p in lost)
        seen = total - len(lost)
        return {
            "tag": electorate.zone.rpartition("/")[2],
            "gas": electorate.gas,
            "healthy": seen,
            "heads": total,
            "text": f"{total} 只可见 {seen} 只,失去 {seen} of {total} detectors seen, lost: {tags}",
            "points": [self._points[p].id for p in lost],
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


def _words(measure: Measure) -> str:
    """What is compared, in the words of the manual."""
    if isinstance(measure, Formula):
        return "expression"
    if isinstance(measure, Age):
        return "age of the newest reading"
    word = _WORDS[type(measure)]
    if isinstance(measure, TimeTo):
        word = f"time to {measure.limit:g} by the trend"
    return f"{word} over {_span(measure.window_ns)}"


_WORDS: dict[type, str] = {
    Slope: "slope", TimeTo: "", Spread: "spread", Changes: "changes", Exposure: "average",
    Apart: "distance from the zone",
}  # fmt: skip


def _unit(measure: Measure, unit: str) -> str:
    match measure:
        case Slope():
            return f"{unit}/min"
        case TimeTo() | Age():
            return "min"
        case Changes():
            return ""
    return unit


def _span(window_ns: int) -> str:
    minutes = window_ns / MINUTE_NS
    return f"{minutes / 60:g} h" if minutes >= 60 else f"{minutes:g} min"
