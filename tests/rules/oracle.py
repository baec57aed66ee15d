"""A slow, obvious engine for the tests: written from contracts.md, one reading after the other.

It shares no code with the engine but the declarations (Site, Limit, grades) and keeps one small
object per condition. It gives what people would see: (time, alarm, event, from, to, grade, mask,
version, occurrence, origin).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from parkwatch.rules.grade import Grade
from parkwatch.rules.site import SECOND_NS as S
from parkwatch.rules.site import Limit, Point, Site

URGENCY = {"blue": 1, "yellow": 2, "orange": 3, "red": 4}
NEXT = {
    ("normal", "raise"): "unack_active",
    ("unack_active", "ack"): "ack_active",
    ("unack_active", "rise"): "unack_active",
    ("unack_active", "fall"): "unack_active",
    ("unack_active", "return"): "rtn_unack",
    ("unack_active", "latch"): "latched_unack",
    ("ack_active", "rise"): "unack_active",
    ("ack_active", "realarm"): "unack_active",
    ("ack_active", "fall"): "ack_active",
    ("ack_active", "return"): "normal",
    ("ack_active", "latch"): "latched_ack",
    ("rtn_unack", "ack"): "normal",
    ("rtn_unack", "reraise"): "unack_active",
    ("latched_unack", "ack"): "latched_ack",
    ("latched_unack", "reraise"): "unack_active",
    ("latched_ack", "reset"): "normal",
    ("latched_ack", "reraise"): "unack_active",
}
Seen = tuple[int, str, str, str, str, str, str, int, int, str]


@dataclass
class Condition:
    """One level of one group. `timer` what is left of a running delay, `ran` since when it runs."""

    limit: Limit
    truth: str = "U"
    holds: bool = False  # last known truth
    live: bool = False  # with its delays
    since: int = 0
    left: int | None = None
    runs_from: int | None = None  # None while paused

    def due(self) -> int | None:
        if self.left is None or self.runs_from is None:
            return None
        return self.runs_from + self.left

    def see(self, truth: str, now: int, on_ns: int) -> None:
        if truth == self.truth:
            return
        self.truth = truth
        if truth == "U":
            if self.left is not None and self.runs_from is not None:
                self.left -= now - self.runs_from
                self.runs_from = None
            return
        holds = truth == "T"
        if holds == self.holds:
            if self.left is not None:
                self.runs_from = now
        else:
            self.holds = holds
            self.left = self.runs_from = None
            if holds and not self.live:
                self.since = now
            if holds != self.live:
                self.left, self.runs_from = (on_ns if holds else self.limit.off_delay_ns), now
        if self.left == 0:
            self.end()

    def end(self) -> None:
        self.live = self.holds
        self.left = self.runs_from = None


@dataclass
class Channel:
    point: Point
    conditions: list[Condition]
    fault: Condition
    value: float = math.nan
    quality: int = 0x83
    stale_at: int | None = None
    seen: bool = False
    beyond: bool = False

    def blind(self) -> bool:
        status, reason = self.quality >> 6, self.quality & 63
        if reason == 7:
            return False
        if reason == 8:
            return status >= 2
        return status >= 2 or reason not in (0, 10, 11, 12)

    def healthy(self) -> bool:
        return not self.blind() or (not self.seen and self.stale_at is not None)

    def truth(self, condition: Condition) -> str:
        limit = condition.limit
        if limit.group == "fault":
            return "T" if self.blind() and self.quality & 63 not in (4, 5, 6) else "F"
        status, reason = self.quality >> 6, self.quality & 63
        if reason in (7, 8):
            side = "high" if reason == 7 else "low"
            return "T" if limit.side == side else "U" if status >= 2 else "F"
        if self.blind() or math.isnan(self.value):
            return "U"
        if limit.side == "high":
            over = self.value >= limit.limit
            back = self.value <= round(limit.limit - limit.deadband, 9)
        else:
            over = self.value <= limit.limit
            back = self.value >= round(limit.limit + limit.deadband, 9)
        return "T" if over or (condition.holds and not back) else "F"


@dataclass
class Alarm:
    state: str = "normal"
    level: int = 0
    grade: str = "blue"
    peak: str = "blue"
    latching: bool = False
    occurrence: int = 0
    version: int = 0
    announced: int = 0
    mask: str = ""
    quiet: bool = False
    again_at: int | None = None


class Oracle:
    def __init__(self, site: Site, now: int) -> None:
        self.site, self.now = site, now
        self.said: list[Seen] = []
        self.alarms: dict[str, Alarm] = {}
        self.channels = []
        for point in site.points:
            own = [Condition(limit) for limit in site.limits if limit.point == point.index]
            own.sort(key=lambda c: (c.limit.group, c.limit.level))
            fault = Condition(fault_row(point.index))
            channel = Channel(point, [*own, fault], fault)
            channel.stale_at = now + point.stale_ns
            self.channels.append(channel)

    # What happens ---------------------------------------------------------------------------

    def read(self, index: int, value: float, quality: int, received: int) -> None:
        self.advance(received)
        channel, point = self.channels[index], self.site.points[index]
        was = channel.healthy()
        channel.seen = True
        channel.beyond = False
        status, reason = quality >> 6, quality & 63
        if status < 2 and reason in (0, 10, 11, 12):
            channel.beyond = value > point.low + 1.2 * point.span
            if channel.beyond or math.isnan(value) or value < point.low - 0.1 * point.span:
                quality = 0x81
        channel.value, channel.quality = value, quality
        channel.stale_at = self.now + point.stale_ns
        self._judge(channel, was)

    def advance(self, now: int) -> None:
        while True:
            times = [c.stale_at for c in self.channels]
            times += [c.due() for channel in self.channels for c in channel.conditions]
            times += [alarm.again_at for alarm in self.alarms.values()]
            due = min((t for t in times if t is not None), default=None)
            if due is None or due > now:
                break
            self.now = max(self.now, due)
            for channel in self.channels:
                if channel.stale_at is not None and channel.stale_at <= due:
                    was = channel.healthy()
                    channel.stale_at, channel.quality = None, 0x82
                    channel.value, channel.beyond = math.nan, False
                    channel.seen = True  # It is lost now, whatever its link says later.
                    self._judge(channel, was)
            self._end_delays(due)
            for name, alarm in list(self.alarms.items()):
                if alarm.again_at is not None and alarm.again_at <= due:
                    self._say(name, "realarm", alarm.grade)
        self.now = max(self.now, now)

    def _end_delays(self, due: int) -> None:
        ended = []
        for channel in self.channels:
            for condition in channel.conditions:
                end = condition.due()
                if end is not None and end <= due:
                    condition.end()
                    ended.append((channel, condition.limit.group))
        for channel, group in dict.fromkeys((c.point.index, g) for c, g in ended):
            self._group(self.channels[channel], group)
        for zone, gas in dict.fromkeys((c.point.zone, c.point.gas) for c, _ in ended):
            self._vote(zone, gas)

    def link(self, name: str, grade: str, now: int, *, active: bool) -> None:
        self.advance(max(now, self.now))
        grade = self._link_grade(name, grade)
        self._condition(name, 1 if active else 0, grade, self.now, latch=False)
        for channel in self.channels:
            if f"{channel.point.device}:link" != name:
                continue
            if active:
                self._remask(channel)
            elif self._alarm(channel).mask:
                channel.stale_at = self.now + channel.point.stale_ns

    def act(self, action: str, name: str, now: int) -> None:
        self.advance(max(now, self.now))
        alarm = self.alarms.get(name)
        if alarm is None or alarm.state == "normal" or (alarm.state, action) not in NEXT:
            return
        if action == "reset" and self._maybe(name):
            return
        self._say(name, action, alarm.grade)

    # What follows ---------------------------------------------------------------------------

    def _judge(self, channel: Channel, was_healthy: bool) -> None:
        lives = [(c, c.live) for c in channel.conditions]
        for condition in channel.conditions:
            on_ns = condition.limit.on_delay_ns
            if condition is channel.fault:
                on_ns = 0 if channel.quality & 63 in (2, 3) else 4 * S
            condition.see(channel.truth(condition), self.now, on_ns)
        changed = [c.limit.group for c, live in lives if c.live != live]
        for group in dict.fromkeys([*changed, "fault"]):
            self._group(channel, group)
        if changed or channel.healthy() != was_healthy:
            self._vote(channel.point.zone, channel.point.gas)
        self._remask(channel)

    def _group(self, channel: Channel, group: str) -> None:
        own = [c for c in channel.conditions if c.limit.group == group]
        live = [c for c in own if c.live]
        name = f"{channel.point.id}:{group}"
        level = max((c.limit.level for c in live), default=0)
        grade = next((str(c.limit.grade) for c in live if c.limit.level == level), "blue")
        if group == "fault":
            stake = [c for c in channel.conditions if c is not channel.fault]
            lost = any(c.truth == "U" and (c.holds or c.live) for c in stake)
            lost = channel.fault.truth == "T" and (lost or channel.beyond)
            grade = "orange" if lost else "blue"
        since = [c.since for c in own if c.holds] or [own[0].since]
        mask = self._mask(channel) if group == "fault" else ""
        before = len(self.said)
        latch = any(c.limit.latch for c in live)
        self._condition(name, level, grade, since[0], latch=latch, mask=mask)
        if group == "fault" and len(self.said) > before:
            if not level:
                self._cover(name, "")
            self._lift(channel)

    def _vote(self, zone: str, gas: str) -> None:
        voting = [
            (channel, c)
            for channel in self.channels
            for c in channel.conditions
            if c.limit.votes and (channel.point.zone, channel.point.gas) == (zone, gas)
        ]
        if not voting:
            return
        name = f"{zone}:vote-{gas.lower()}"
        high = sum(c.live for _, c in voting if c.limit.side == "high")
        low = sum(c.live for _, c in voting if c.limit.side == "low")
        healthy = len({ch.point.id for ch, _ in voting if ch.healthy()})
        is_true = max(high, low) >= 2 or (max(high, low) == 1 and healthy < 2)
        active = self.alarms.get(name, Alarm()).level > 0
        if active and high + low == 0:
            self._condition(name, 0, "red", self.now, latch=True)
        elif is_true and not active:
            self._condition(name, 1, "red", self.now, latch=True)

    def _condition(
        self, name: str, level: int, grade: str, began: int, *, latch: bool, mask: str = ""
    ) -> None:
        alarm = self.alarms.setdefault(name, Alarm())
        before, alarm.level = alarm.level, level
        if level and not before:
            alarm.mask = mask
            alarm.latching = alarm.latching or latch
            if alarm.state == "normal":
                alarm.occurrence = max(began, alarm.occurrence + 1)
                alarm.version, alarm.peak, alarm.latching = 0, grade, latch
                self._say(name, "raise", grade)
            else:
                self._say(name, "reraise", grade)
        elif before and not level:
            if alarm.latching:
                self._say(name, "latch", alarm.peak)
            else:
                self._say(name, "return", alarm.grade)
        elif level > before or (level and URGENCY[grade] > URGENCY[alarm.grade]):
            alarm.latching = alarm.latching or latch
            self._say(name, "rise", grade)
        elif level < before:
            self._say(name, "fall", grade)

    def _say(self, name: str, event: str, grade: str, after: str = "") -> None:
        alarm = self.alarms[name]
        before = alarm.state
        alarm.state = after or NEXT[before, event]
        alarm.version += 1
        alarm.grade = grade
        if URGENCY[grade] > URGENCY[alarm.peak]:
            alarm.peak = grade
        if event in ("raise", "reraise", "rise", "realarm"):
            alarm.quiet = bool(alarm.mask)
        if alarm.state != "ack_active":
            alarm.again_at = None
        if event == "ack" and alarm.state == "ack_active" and grade != "blue":
            minutes = {"red": 15, "orange": 30, "yellow": 60}[grade]
            alarm.again_at = self.now + minutes * 60 * S
        self.said.append(
            (
                self.now, name, "return" if event == "latch" else event, before, alarm.state,
                grade, alarm.mask, alarm.version, alarm.occurrence, "live",
            )
        )  # fmt: skip
        if alarm.state == "normal":
            self.alarms[name] = Alarm(occurrence=alarm.occurrence)

    # Masks ----------------------------------------------------------------------------------

    def _alarm(self, channel: Channel) -> Alarm:
        return self.alarms.setdefault(f"{channel.point.id}:fault", Alarm())

    def _mask(self, channel: Channel) -> str:
        link = self.alarms.get(f"{channel.point.device}:link", Alarm())
        hidden = link.level and channel.quality & 63 in (2, 3)
        return "suppressed_by_design" if hidden else ""

    def _remask(self, channel: Channel) -> None:
        if self._alarm(channel).level and channel.fault.truth == "T":
            before = len(self.said)
            self._cover(f"{channel.point.id}:fault", self._mask(channel))
            if len(self.said) > before:
                self._lift(channel)

    def _cover(self, name: str, mask: str) -> None:
        alarm = self.alarms[name]
        if alarm.mask == mask:
            return
        alarm.mask = mask
        gone = not mask and alarm.quiet and alarm.state == "rtn_unack"
        if not mask:
            alarm.quiet = False
        event = "suppress" if mask else "unsuppress"
        self._say(name, event, alarm.grade, "normal" if gone else alarm.state)

    def _lift(self, channel: Channel) -> None:
        name = f"{channel.point.device}:link"
        link, fault = self.alarms.get(name, Alarm()), self._alarm(channel)
        grade = self._link_grade(name, link.grade)
        if link.level and fault.mask and grade != link.grade:
            self._say(name, "rise", grade)

    def _link_grade(self, name: str, least: str) -> str:
        """The highest of what is given and of every fault that the link suppresses."""
        own = [c for c in self.channels if f"{c.point.device}:link" == name]
        hidden = [self._alarm(c).grade for c in own if self._alarm(c).mask]
        return max((least, *hidden), key=lambda grade: URGENCY[grade])

    def _maybe(self, name: str) -> bool:
        """TRUE (also while its on-delay runs) or UNKNOWN."""
        owner, _, group = name.rpartition(":")
        if group.startswith("vote-"):
            return any(
                c.truth == "U"
                for channel in self.channels
                for c in channel.conditions
                if c.limit.votes and channel.point.zone == owner
                and f"vote-{channel.point.gas.lower()}" == group
            )  # fmt: skip
        return any(
            c.truth in "TU"
            for channel in self.channels
            for c in channel.conditions
            if channel.point.id == owner and c.limit.group == group
        )


def fault_row(index: int) -> Limit:
    return Limit(index, "fault", 1, "high", 0.0, Grade.BLUE, off_delay_ns=10 * S)
