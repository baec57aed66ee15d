"""From rows whose `live` changed to alarms: groups, faults, votes and the masks of links."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.alarms.alarm import Live
from parkwatch.rules.alarms.blind import GRADES, RED_LEVEL, Blindness
from parkwatch.rules.alarms.book import Book
from parkwatch.rules.alarms.causes import Causes
from parkwatch.rules.alarms.firstout import FirstOuts
from parkwatch.rules.alarms.links import Links
from parkwatch.rules.alarms.masks import LINK
from parkwatch.rules.alarms.shadow import Shadows
from parkwatch.rules.alarms.veil import Veils
from parkwatch.rules.alarms.vote import Electorate, Votes
from parkwatch.rules.arming import UNARMED
from parkwatch.rules.evaluate.channels import Channels
from parkwatch.rules.evaluate.compile import TRUE, UNKNOWN, Key, Table
from parkwatch.rules.grade import Grade, highest
from parkwatch.rules.site import Site
from parkwatch.rules.transition import Transition

Dirty = tuple[bool, Key]
"""A group of rows to settle: whether it is a shadow's, and its alarm."""


class Settle:
    """Decides alarms from rows; `masked` points have a fault under the mask of their link."""

    def __init__(self, site: Site, table: Table, channels: Channels) -> None:
        self._site, self._table, self._channels = site, table, channels
        self.book = Book()
        self.shadows = Shadows()
        self.votes = Votes(site, table)
        self.links = Links(site, self.book)
        self.index = {point.id: point.index for point in site.points}
        self.veils = Veils(site, table, self.book, self.votes, self.rows)
        self.blindness = Blindness(table, channels, self.votes, self.veils.hidden)
        self.causes = Causes(site, table, channels)
        self._firsts = FirstOuts(site, self.book)
        self.masked: NDArray[np.bool_] = np.zeros(len(site.points), dtype=np.bool_)
        self.yields: list[int] = []
        """Points whose real limit alarm came or went: their forecasts end or may come back."""

    def alarm_id(self, key: Key) -> str:
        """The id of a group's alarm."""
        return key if isinstance(key, str) else f"{self._site.points[key[0]].id}:{key[1]}"

    def rows(self, alarm: str) -> list[int]:
        """The armed rows of an alarm."""
        owner, _, group = alarm.rpartition(":")
        groups = self._table.groups
        return groups.get(alarm) or groups.get((self.index.get(owner, -1), group), [])

    def settle(self, dirty: Collection[Dirty], swayed: Sequence[int], now: int) -> list[Transition]:
        """Alarms of groups whose rows changed, then the votes that these points sway."""
        out: list[Transition] = []
        votes: dict[str, Electorate] = {}
        of = self.votes.of
        for point in swayed:
            if point in of:
                votes[of[point].alarm] = of[point]
        for shadow, key in dirty:
            out += self._group(key, now, shadow=shadow)
            if not shadow and isinstance(key, tuple) and key[0] in of:
                votes[of[key[0]].alarm] = of[key[0]]
        for electorate in votes.values():
            out += self.vote(electorate, now)
        if of:
            for electorate in self._unseen(dirty, swayed).values():
                out += self.blind(electorate, now)
        return out

    def _unseen(self, dirty: Iterable[Dirty], swayed: Sequence[int]) -> dict[str, Electorate]:
        """Zones of points that can be seen again, or no longer."""
        points = [key[0] for _, key in dirty if isinstance(key, tuple) and key[1] == "fault"]
        of = self.votes.of
        return {of[p].alarm: of[p] for p in (*points, *swayed) if p in of}

    # Groups --------------------------------------------------------------------------------

    def _group(self, key: Key, now: int, *, shadow: bool) -> list[Transition]:
        table, at = self._table, self._table.at
        rows = (table.shadows if shadow else table.groups)[key]
        live = [row for row in rows if at.live[row]]
        top = live[-1] if live else None
        named = rows[0] if top is None else self._first_of(live)
        limit = table.limits[named]
        if limit.group == "fault" and self._site.points[limit.point].armed == UNARMED:
            return []  # Nobody relies on it yet: that it is not wired calls nobody.
        lowest = next((row for row in rows if at.holds[row]), named)
        fault = limit.group == "fault"
        alarm = self.alarm_id(key)
        cause = self.causes.of_row(named, now, raised=top is not None)
        if limit.first_out and top is not None:
            cause |= self._firsts.of(limit, alarm, self._channels.times)
        elif limit.first_out:
            cause |= self._firsts.kept(alarm)
        state = Live(
            limit.level if top is not None else 0,
            self._fault_grade(limit.point, cause) if fault else self._grade(live, limit.level),
            began=at.since[lowest],
            cause=cause,
            latch=any(table.limits[row].latch for row in live),
            linked=fault
            and self.links.speaks(limit.point, self._channels.at_quality[limit.point]),
            essential=any(table.limits[row].essential for row in live),
        )  # fmt: skip
        if shadow:
            return self.shadows.level(alarm, now, state)
        out = self.book.level(alarm, now, state)
        if fault and out:
            out += self.after_fault(limit.point, now)
        if limit.point in table.yielding and not limit.yields:
            self.yields.append(limit.point)
        return out

    def _first_of(self, live: Sequence[int]) -> int:
        """Of live rows, ascending in level, the first one of the highest level."""
        limits = self._table.limits
        top = limits[live[-1]].level
        return next(row for row in live if limits[row].level == top)

    def _grade(self, live: Sequence[int], level: int) -> Grade:
        grades = [limit.grade for row in live if (limit := self._table.limits[row]).level == level]
        return grades[0] if len(grades) == 1 else highest(Grade.BLUE, *grades)

    def _fault_grade(self, point: int, cause: dict[str, Any]) -> Grade:
        """Orange where the channel was lost while a limit was TRUE or its delay ran, or reads
        beyond full scale; UNKNOWN holds the rows as they were when it was lost."""
        table = self._table
        *rows, fault = table.span[point]
        if table.truth[fault] != TRUE:
            return Grade.BLUE  # It was seen again: what it reads now lifts no fault.
        at_stake = [
            row for row in rows
            if table.truth[row] == UNKNOWN and (table.holds[row] or table.live[row])
            and not table.limits[row].shadow
        ]  # fmt: skip
        if at_stake and point in self._channels.lost:
            last, row = self._channels.lost[point], at_stake[0]
            limit = table.limits[row]
            if last != limit.limit:  # Since it was reached the value went on, or came back.
                trend = "rising" if last > limit.limit else "falling"
                cause["lost"] = {"value": last, "trend": trend}
            else:
                cause["lost"] = {"value": last}
        return Grade.ORANGE if at_stake or point in self._channels.beyond else Grade.BLUE

    def limit_live(self, point: int) -> bool:
        """Whether a real limit of a point is live (a forecast of it is then pointless)."""
        table = self._table
        return any(
            table.live[row]
            for row in table.span[point]
            if not table.fault[row] and not table.limits[row].shadow
        )

    def vote(self, electorate: Electorate, now: int) -> list[Transition]:
        """Settle one zone's vote."""
        healthy = self._channels.healthy
        if self.veils.out:
            healthy = healthy.copy()
            healthy[list(self.veils.out)] = False
        verdict = self.votes.count(electorate, healthy, now)
        active = self.book.live_level(electorate.alarm) > 0
        if not active and not verdict.raises:
            return []
        level = 0 if verdict.ends else 1
        cause = self.causes.of_vote(electorate, verdict)
        out = self.book.level(electorate.alarm, now, Live(level, Grade.RED, now, cause, latch=True))
        if level and out:
            out += self.veils.unshelve(electorate, now)
        return out

    def blind(self, electorate: Electorate, now: int) -> list[Transition]:
        """Settle the blindness of one zone; where a link speaks for all that is lost, it does."""
        level = self.blindness.level(electorate, now)
        alarm = f"{electorate.zone}:blind-{electorate.gas.lower()}"
        if not level and alarm not in self.book.alarms:
            return []
        lost = self.blindness.lost(electorate)
        hidden = 0 < level < RED_LEVEL and all(self.masked[p] for head in lost for p in head)
        cause = self.causes.of_blind(electorate, [head[0] for head in lost])
        grade = GRADES.get(level, Grade.BLUE)
        out = self.book.level(alarm, now, Live(level, grade, now, cause, linked=hidden))
        return out + self.book.speak_for(alarm, now, linked=hidden, because=cause)

    def unveil(self, now: int) -> list[Transition]:
        """Votes and blindness of the zones in which masks hid or showed a detector."""
        out: list[Transition] = []
        while self.book.veiled:
            for electorate in self.veils.changed():
                out += self.vote(electorate, now)
                out += self.blind(electorate, now)
        return out

    # Masks of links ------------------------------------------------------------------------

    def after_fault(self, point: int, now: int) -> list[Transition]:
        """A fault alarm changed: without its condition it needs no mask; a masked one may lift
        the grade of the link that speaks for it."""
        name = self.links.fault(point)
        out: list[Transition] = []
        if not self.book.live_level(name):
            out += self.book.speak_for(name, now, linked=False, because={})
        alarm, before = self.book.alarms.get(name), bool(self.masked[point])
        self.masked[point] = alarm is not None and LINK in alarm.masks
        if alarm is not None and self.masked[point]:
            for link in self.links.active(point):
                out += self._lift(link, alarm.grade, now)
        if self.masked[point] != before and point in self.votes.of:
            out += self.blind(self.votes.of[point], now)
        return out

    def _lift(self, link: str, grade: Grade, now: int) -> list[Transition]:
        """A link is at least of the grade of a fault that it speaks for. Each fault lifts it as it
        comes, so nobody has to look at all the others: a thousand may come at once."""
        alarm = self.book.alarms[link]
        if grade.urgency <= alarm.grade.urgency:
            return []
        cause = {**alarm.cause, "suppressed": self.suppressed(link)}
        return self.book.level(link, now, Live(alarm.level, grade, now, cause))

    def suppressed(self, link: str) -> int:
        """How many faults a link speaks for."""
        return len(self.links.suppressed(self.links.points.get(link, ())))

    def remask(self, point: int, now: int) -> list[Transition]:
        """Put a live fault under the mask of its link, or take it away once the point was seen."""
        if self._table.at.truth[self._table.span[point][-1]] != TRUE:
            return []
        name = self.links.fault(point)
        if not self.book.live_level(name):
            return []
        linked = self.links.speaks(point, self._channels.at_quality[point])
        because = {"links": self.links.active(point)} if linked else {}
        out = self.book.speak_for(name, now, linked=linked, because=because)
        return out + self.after_fault(point, now) if out else []

    # A condition from outside ----------------------------------------------------------------

    def outside(
        self, alarm: str, now: int, live: Live, cause: Mapping[str, Any]
    ) -> list[Transition]:
        """A link, a gateway or one of our own parts says so; a link masks its points' faults."""
        points = self.links.points.get(alarm, [])
        grade = live.grade
        if points:
            zones = sorted({self._site.points[p].zone for p in points})
            cause = {**cause, "points": len(points), "suppressed": self.suppressed(alarm),
                     "zones": zones}  # fmt: skip
            grade = self.links.grade(points, grade)
        told = Live(live.level, grade, now, cause, live.latch)
        out = self.book.level(alarm, now, told)
        if live.level:
            for point in points:
                out += self.remask(point, now)
        else:
            masked = [p for p in points if self.masked[p] and not self.links.active(p)]
            self._channels.watch(masked, now)
        return out
