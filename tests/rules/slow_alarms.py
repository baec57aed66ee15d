"""From conditions to alarms, slowly: groups, shadows, forecasts that yield, votes of heads.

The older reference (oracle.py) keeps the life of an alarm and the masks of links.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from oracle import URGENCY, Alarm, Channel, Condition, Oracle, Seen

from parkwatch.rules.measures import Measure
from parkwatch.rules.site import SECOND_NS as S
from parkwatch.rules.site import Limit, Site

NAN = math.nan


@dataclass(eq=False)
class Row(Condition):
    """A condition; off while `gated` (its enable is FALSE) or `yielded`."""

    number: int = 0
    source: Source | None = None
    gated: bool = False
    yielded: bool = False

    @property
    def off(self) -> bool:
        return self.gated or self.yielded

    def cut(self) -> None:
        """Off at once, with no off-delay."""
        self.truth, self.holds, self.live = "F", False, False
        self.left = self.runs_from = None


@dataclass(eq=False)
class Source:
    """What rows compare: a point's channel, or a measure with the value that it has now."""

    channel: Channel | None = None
    measure: Measure | None = None
    rows: list[Row] = field(default_factory=list)
    gates: list[Row] = field(default_factory=list)
    value: float = NAN
    least: bool = False
    told: tuple[float, bool] = (NAN, False)  # what the newest complete part gave
    part_end: int = 0

    def truth(self, row: Row) -> str:
        if row.limit.group == "fault":
            assert self.channel is not None
            return self.channel.truth(row)
        if row.off:
            return "F"
        if self.channel is not None:
            return self.channel.truth(row)
        limit, value = row.limit, self.value
        if math.isnan(value):
            return "U"
        deadband = limit.deadband
        if limit.side == "high":
            reached, back = value >= limit.limit, value <= round(limit.limit - deadband, 9)
        else:
            reached, back = value <= limit.limit, value >= round(limit.limit + deadband, 9)
        true = reached or (row.holds and not back)
        # It is at least so much: that may reach a high limit, no more.
        if self.least and not (true and limit.side == "high"):
            return "U"
        return "T" if true else "F"


class SlowAlarms(Oracle):
    """Sources and their rows, points first, then measures as the site declares them."""

    def __init__(self, site: Site, now: int) -> None:
        self.site, self.now = site, now
        self.said: list[Seen] = []
        self.alarms: dict[str, Alarm] = {}
        self.shadows: dict[str, tuple[int, int]] = {}
        self.sources: list[Source] = []
        self.channels: list[Channel] = []
        self.rows: list[Row] = []

    # Truth ---------------------------------------------------------------------------------

    def _result(self, source: Source, value: float, *, least: bool = False) -> None:
        source.value, source.least = value, least
        self._judge_rows(source.rows)
        if source.gates:
            off = value == 0.0  # UNKNOWN leaves it enabled.
            turned = [row for row in source.gates if row.gated != off]
            for row in turned:
                row.gated = off
            self._rejudge(turned)

    def _rejudge(self, rows: Sequence[Row]) -> None:
        """Rows were switched, or their limits changed: a fault of theirs is looked at anew."""
        self._judge_rows(rows)
        for row in rows:
            assert row.source is not None
            if row.source.channel is not None and row.source.rows[-1].truth == "T":
                self._settle([row.source.rows[-1]])

    def _judge_rows(self, rows: Sequence[Row]) -> None:
        changed = []
        for row in rows:
            before = row.live
            assert row.source is not None
            on_ns = row.limit.on_delay_ns
            if row.limit.group == "fault":
                channel = row.source.channel
                assert channel is not None
                on_ns = 0 if channel.quality & 63 in (2, 3) else 4 * S
            row.see(row.source.truth(row), self.now, on_ns)
            if row.yielded:
                row.cut()
            if row.live != before:
                changed.append(row)
        self._settle(changed)

    def _judge_point(self, index: int, was_healthy: bool) -> None:
        source, channel = self.sources[index], self.channels[index]
        self._judge_rows(source.rows)
        self._settle([source.rows[-1]])  # What is lost now may be worse than it was.
        if channel.healthy() != was_healthy:
            self._votes()
        self._remask(channel)

    # Alarms --------------------------------------------------------------------------------

    def _settle(self, changed: Sequence[Row]) -> None:
        for shadow, name in dict.fromkeys((r.limit.shadow, self._name(r.limit)) for r in changed):
            self._alarm_of(name, shadow)
        if changed:
            self._votes()
        self._yield()

    def _name(self, limit: Limit) -> str:
        return limit.alarm or f"{self.site.points[limit.point].id}:{limit.group}"

    def _alarm_of(self, name: str, shadow: bool) -> None:
        own = [r for r in self.rows if self._name(r.limit) == name and r.limit.shadow == shadow]
        own.sort(key=lambda r: (r.limit.level, r.number))
        live = [r for r in own if r.live]
        level = max((r.limit.level for r in live), default=0)
        grades = [str(r.limit.grade) for r in live if r.limit.level == level]
        grade = max(grades, key=lambda g: URGENCY[g], default="blue")
        began = next((r.since for r in own if r.holds), own[0].since)
        if shadow:
            self._would_say(name, level, grade, began)
            return
        fault = own[0] if own[0].limit.group == "fault" else None
        mask = ""
        if fault is not None:
            assert fault.source is not None
            assert fault.source.channel is not None
            channel = fault.source.channel
            if channel.point.armed == "unarmed":
                return
            mask = self._mask(channel)
            stake = [r for r in fault.source.rows if r is not fault and not r.limit.shadow]
            lost = channel.beyond or any(r.truth == "U" and (r.holds or r.live) for r in stake)
            grade = "orange" if lost and fault.truth == "T" else "blue"
        before = len(self.said)
        latch = any(r.limit.latch for r in live)
        self._condition(name, level, grade, began, latch=latch, mask=mask)
        if fault is not None and len(self.said) > before:
            if not level:
                self._cover(name, "")
            self._lift(channel)

    def _would_say(self, name: str, level: int, grade: str, began: int) -> None:
        """A shadow has no life: it says when its level changes, and nobody acknowledges it."""
        before, occurrence = self.shadows.get(name, (0, began))
        if level == before:
            return
        event = "return" if not level else "rise" if level > before else "fall"
        states = ("active" if before else "normal", "active" if level else "normal")
        self.said.append(
            (self.now, name, event if before else "raise", *states, grade, "", 0, occurrence,
             "shadow")
        )  # fmt: skip
        if level:
            self.shadows[name] = level, occurrence
        else:
            del self.shadows[name]

    def _yield(self) -> None:
        """Forecasts of a point are off while a limit of it is live."""
        turned = []
        for row in self.rows:
            if row.limit.yields:
                limits = self.sources[row.limit.point].rows
                real = any(
                    r.live for r in limits if not r.limit.shadow and r.limit.group != "fault"
                )
                if real != row.yielded:
                    row.yielded = real
                    turned.append(row)
        if turned:
            self._rejudge(turned)

    def _electorates(self) -> dict[tuple[str, str], list[Row]]:
        """The voting rows by zone and gas."""
        found: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            if row.limit.votes and not row.limit.shadow:
                point = self.site.points[row.limit.point]
                found.setdefault((point.zone, point.gas), []).append(row)
        return found

    def _votes(self) -> None:
        for (zone, gas), rows in self._electorates().items():
            self._one_vote(zone, gas, rows)

    def _one_vote(self, zone: str, gas: str, rows: Sequence[Row]) -> None:
        def head(index: int) -> str:
            return self.site.points[index].head or self.site.points[index].id

        witnesses = {
            head(row.limit.point)
            for row in rows
            if self.channels[row.limit.point].healthy()
            and self.site.points[row.limit.point].armed != "unarmed"
        }
        sides = [
            {head(row.limit.point) for row in rows if row.live and row.limit.side == side}
            for side in ("high", "low")
        ]
        most = max(map(len, sides))
        known = self.site.zones.get(zone)
        alone = known is None or self.now >= known.alone_until
        true = most >= 2 or (most == 1 and len(witnesses) < 2 and alone)
        name = f"{zone}:vote-{gas.lower()}"
        active = self.alarms.get(name, Alarm()).level > 0
        if (active and not most) or (true and not active):
            self._condition(name, 0 if active else 1, "red", self.now, latch=True)

    def _maybe(self, name: str) -> bool:
        own = [r for r in self.rows if not r.limit.shadow and self._name(r.limit) == name]
        for (zone, gas), rows in self._electorates().items():
            if name == f"{zone}:vote-{gas.lower()}":
                return any(row.truth == "U" for row in rows)
        return any(row.truth in "TU" for row in own)
