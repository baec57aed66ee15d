"""The engine: readings, time and commands in, transitions out; no clock, no I/O, no randomness.

Every reading is judged at its `received`, as if `advance(received)` had been called before it,
and one after the other: how readings are cut into batches changes no transition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules import commands, delays, kernel
from parkwatch.rules.alarms import Alarm, Book, Live, Place
from parkwatch.rules.batch import LATE, Batch
from parkwatch.rules.causes import Causes
from parkwatch.rules.channels import Channels, Columns, segments
from parkwatch.rules.compile import NEVER, TRUE, UNKNOWN, Table
from parkwatch.rules.grade import Grade, highest
from parkwatch.rules.links import Links
from parkwatch.rules.quality import REASON_MASK, Reason
from parkwatch.rules.site import SECOND_NS, Site
from parkwatch.rules.state import fold_rows, restore_rows, rows_snapshot
from parkwatch.rules.transition import AlarmView, Command, Outcome, Transition
from parkwatch.rules.vote import Electorate, Votes

FAULT_ON_NS = 4 * SECOND_NS
"""Debounce of a fault alarm (NE 43 practice); stale and comms have had their wait already."""


class Engine:
    """Compiled from a Site; the only stateful object of the rules.

    `values`, `qualities`, `times`, `receiveds` are the latest reading by point index, NaN and
    BAD|COMMS before the first; read-only for others. `dropped` counts readings of unknown points.
    """

    def __init__(self, site: Site, now: int) -> None:
        self._site = site
        self._now = now
        self._table = Table(site)
        self._channels = Channels(site, now)
        self._book = Book()
        self._votes = Votes(site, self._table)
        self._links = Links(site, self._book)
        self._causes = Causes(site, self._table, self._channels)
        self._masked = np.zeros(len(site.points), dtype=np.bool_)
        self._index = {p.id: p.index for p in site.points}
        self.dropped = 0

    @property
    def values(self) -> NDArray[np.float64]:
        return self._channels.values

    @property
    def qualities(self) -> NDArray[np.uint8]:
        return self._channels.qualities

    @property
    def times(self) -> NDArray[np.int64]:
        return self._channels.times

    @property
    def receiveds(self) -> NDArray[np.int64]:
        return self._channels.receiveds

    # Readings ------------------------------------------------------------------------------

    def feed(self, batch: Batch) -> list[Transition]:
        """Judge a batch; what is late changes nothing here (history has it)."""
        if batch.origin == LATE or not len(batch):
            return []
        known = (batch.point >= 0) & (batch.point < len(self._site.points))
        keep = np.flatnonzero(known)
        self.dropped += len(batch) - len(keep)
        out: list[Transition] = []
        for part in segments(batch.point, batch.received, keep):
            now = max(self._now, int(batch.received[part[0]]))
            out += self.advance(now)
            read = self._channels.columns(
                batch.point[part], batch.value[part], batch.quality[part], batch.time[part]
            )
            out += self._read(read, now)
        return out

    def _read(self, read: Columns, now: int) -> list[Transition]:
        """Readings of one moment: those that change nothing are only kept."""
        n = len(read.point)
        touched: Iterable[int] = range(n)
        if n > kernel.SCALAR_MAX:
            changing = kernel.changing(self._table, read.point, read.value, read.quality)
            changing |= self._channels.news(read) | self._masked[read.point]
            touched = np.flatnonzero(changing).tolist()
        out: list[Transition] = []
        done = 0
        for at in touched:
            if at > done:
                self._channels.take(read, slice(done, at), now)
            self._channels.take_one(read, at, now)
            done = at + 1
            out += self._apply(int(read.point[at]), now)
        if done < n:
            self._channels.take(read, slice(done, n), now)
        return out

    def _apply(self, point: int, now: int) -> list[Transition]:
        """Judge what a point last read."""
        table = self._table
        value = float(self.values[point])
        quality = int(self.qualities[point])
        dirty: dict[tuple[int, str], None] = {}
        for row in table.span[point]:
            truth = kernel.truth(table, row, value, quality)
            if truth == table.truth[row]:
                continue
            if delays.change(table, row, truth, now, self._on_delay(row, quality)):
                dirty[point, table.limits[row].group] = None
        if kernel.FAULTY[quality]:
            dirty[point, "fault"] = None  # What is lost now may be worse than it was.
        healthy = not kernel.BLIND[quality]
        swayed = healthy != self._channels.healthy[point]
        self._channels.healthy[point] = healthy
        out = self._settle(dirty, [point] if swayed else [], now) if dirty or swayed else []
        return out + self._remask(point, now)

    def _on_delay(self, row: int, quality: int) -> int:
        if not self._table.fault[row]:
            return int(self._table.on_ns[row])
        return 0 if quality & REASON_MASK in (Reason.STALE, Reason.COMMS) else FAULT_ON_NS

    # Time ----------------------------------------------------------------------------------

    def advance(self, now: int) -> list[Transition]:
        """Let time pass: staleness before delays that end at the same moment, in time order."""
        out: list[Transition] = []
        while (due := self._due()) <= now:
            at = self._now = max(due, self._now)  # Overdue after down time: now, not then.
            for point in self._channels.stale(due):
                self._channels.lose(point)
                out += self._apply(point, at)
            dirty: dict[tuple[int, str], None] = {}
            for row in np.flatnonzero(self._table.due <= due).tolist():
                delays.expire(self._table, row)
                limit = self._table.limits[row]
                dirty[limit.point, limit.group] = None
            out += self._settle(dirty, [], at)
            out += self._book.realarm(due, at)
        self._now = max(self._now, now)
        return out

    def next_due(self) -> int | None:
        """When `advance` has something to do, in engine time; None: nothing is running."""
        due = self._due()
        return None if due == NEVER else due

    def _due(self) -> int:
        due = self._book.next_due()
        if len(self._table.due):
            due = min(due, int(self._table.due.min()), int(self._channels.stale_due.min()))
        return due

    # Alarms --------------------------------------------------------------------------------

    def _settle(
        self, dirty: Iterable[tuple[int, str]], swayed: Sequence[int], now: int
    ) -> list[Transition]:
        """Alarms of groups whose rows changed, then the votes that these points sway."""
        out: list[Transition] = []
        votes: dict[str, Electorate] = {}
        for point in swayed:
            if point in self._votes.of:
                votes[self._votes.of[point].alarm] = self._votes.of[point]
        for point, group in dirty:
            out += self._settle_group(point, group, now)
            if point in self._votes.of:
                votes[self._votes.of[point].alarm] = self._votes.of[point]
        for electorate in votes.values():
            out += self._settle_vote(electorate, now)
        return out

    def _settle_group(self, point: int, group: str, now: int) -> list[Transition]:
        table = self._table
        rows = table.groups[point, group]
        live = [row for row in rows if table.live[row]]
        top = max(live, key=lambda row: table.limits[row].level, default=None)
        named = rows[0] if top is None else top
        limit = table.limits[named]
        lowest = next((row for row in rows if table.holds[row]), named)
        fault = group == "fault"
        state = Live(
            limit.level if top is not None else 0,
            self._fault_grade(point) if fault else limit.grade,
            began=int(table.since[lowest]),
            cause=self._causes.of_row(named, now, raised=top is not None),
            latch=any(table.limits[row].latch for row in live),
            mask=self._links.mask(point, int(self.qualities[point])) if fault else "",
        )
        out = self._book.level(f"{self._site.points[point].id}:{group}", now, state)
        if fault and out:
            out += self._after_fault(point, now)
        return out

    def _fault_grade(self, point: int) -> Grade:
        """Orange where the channel was lost while a limit was TRUE or its delay ran, or reads
        beyond full scale; UNKNOWN holds the rows as they were when it was lost."""
        table = self._table
        *rows, fault = table.span[point]
        if table.truth[fault] != TRUE:
            return Grade.BLUE  # It was seen again: what it reads now lifts no fault.
        at_stake = any(
            table.truth[row] == UNKNOWN and (table.holds[row] or table.live[row]) for row in rows
        )
        return Grade.ORANGE if at_stake or self._channels.beyond[point] else Grade.BLUE

    def _settle_vote(self, electorate: Electorate, now: int) -> list[Transition]:
        healthy = self._channels.healthy[list(electorate.points)].tolist()
        verdict = self._votes.count(electorate, healthy)
        active = self._book.live_level(electorate.alarm) > 0
        if not active and not verdict.raises:
            return []
        level = 0 if verdict.ends else 1
        cause = self._causes.of_vote(electorate, verdict)
        live = Live(level, Grade.RED, now, cause, latch=True)
        return self._book.level(electorate.alarm, now, live)

    # Masks of links ------------------------------------------------------------------------

    def _after_fault(self, point: int, now: int) -> list[Transition]:
        """A fault alarm changed: without its condition it needs no mask; a masked one may lift
        the grade of the link that speaks for it."""
        name = self._links.fault(point)
        out: list[Transition] = []
        if not self._book.live_level(name):
            out += self._book.suppress(name, now, mask="", because={})
        alarm = self._book.alarms.get(name)
        self._masked[point] = alarm is not None and bool(alarm.mask)
        if self._masked[point]:
            for link in self._links.active(point):
                out += self._lift(link, now)
        return out

    def _lift(self, link: str, now: int) -> list[Transition]:
        alarm = self._book.alarms[link]
        grade = self._links.grade(self._links.points[link], alarm.grade)
        cause = {**alarm.cause, "suppressed": self._suppressed(link)}
        return self._book.level(link, now, Live(alarm.level, grade, now, cause))

    def _suppressed(self, link: str) -> int:
        return len(self._links.suppressed(self._links.points.get(link, ())))

    def _remask(self, point: int, now: int) -> list[Transition]:
        """Put a live fault under the mask of its link, or take it away once the point was seen."""
        name = self._links.fault(point)
        row = self._table.span[point][-1]
        if self._table.truth[row] != TRUE or not self._book.live_level(name):
            return []
        mask = self._links.mask(point, int(self.qualities[point]))
        because = {"links": self._links.active(point)} if mask else {}
        out = self._book.suppress(name, now, mask=mask, because=because)
        return out + self._after_fault(point, now) if out else []

    # Conditions from outside, commands ------------------------------------------------------

    def condition(
        self,
        alarm: str,
        *,
        active: bool,
        grade: Grade,
        cause: Mapping[str, Any],
        now: int,
        latch: bool = False,
    ) -> list[Transition]:
        """A condition that is decided elsewhere (links, gateways, our own parts): same life.

        Told again with a worse grade it is a rise, with a lesser one nothing. A `DEVICE:link`
        also suppresses the comms and stale faults of its points, and counts them in its cause.
        """
        now = max(now, self._now)
        out = self.advance(now)
        points = self._links.points.get(alarm, [])
        if points:
            cause = {**cause, "points": len(points), "suppressed": self._suppressed(alarm)}
            grade = self._links.grade(points, grade)
        out += self._book.level(alarm, now, Live(int(active), grade, now, cause, latch))
        if active:
            for point in points:
                out += self._remask(point, now)
        else:
            masked = [p for p in points if self._masked[p] and not self._links.active(p)]
            self._channels.watch(masked, now)
        return out

    def command(self, command: Command, now: int) -> Outcome:
        """What a person asks, refused with a reason where it may not be."""
        due = self.advance(max(now, self._now))
        unknown = self._unknown(command.alarm)
        answer = commands.apply(self._book, command, self._now, unknown=unknown)
        transitions = (*due, *answer.transitions)
        return Outcome(answer.ok, answer.code, answer.what, answer.remedy, transitions)

    def _unknown(self, alarm: str) -> bool:
        electorate = self._votes.by_alarm.get(alarm)
        if electorate is not None:
            return self._votes.unknown(electorate)
        owner, _, group = alarm.rpartition(":")
        rows = self._table.groups.get((self._index.get(owner, -1), group), [])
        return any(self._table.truth[row] == UNKNOWN for row in rows)

    def blindness(self, device: str) -> Grade:
        """The grade of losing all points of a device or gateway (contracts.md, Blindness).

        Per zone and gas: none left orange, fewer than two healthy yellow, else blue; at least the
        `blind_grade` of every device that is lost with it.
        """
        carried = [
            d.blind_grade for d in self._site.devices.values() if device in (d.id, d.gateway)
        ]
        lost = self._links.points.get(f"{device}:link", [])
        zones = self._votes.blind_grade(lost, self._channels.healthy.tolist())
        return highest(zones, *carried)

    # Views and state ------------------------------------------------------------------------

    def alarm(self, alarm: str) -> AlarmView | None:
        """One alarm that is not normal, or None."""
        found = self._book.alarms.get(alarm)
        return None if found is None else self._view(found)

    def alarms(self) -> list[AlarmView]:
        """All alarms that are not normal."""
        return [self._view(alarm) for alarm in self._book.alarms.values()]

    def _view(self, alarm: Alarm) -> AlarmView:
        owner, _, group = alarm.id.rpartition(":")
        cause = alarm.cause
        if group == "link":
            cause = {**cause, "suppressed": self._suppressed(alarm.id)}
        if owner in self._index:
            point = self._site.points[self._index[owner]]
            return self._book.view(alarm, Place(point.index, point.zone, point.enterprise), cause)
        zone = owner if owner in self._site.zones else ""
        return self._book.view(alarm, Place(-1, zone, owner.partition("/")[0]), cause)

    def snapshot(self) -> dict[str, Any]:
        """The whole state as plain JSON, by names and not by indices."""
        return {
            "schema": 1,
            "now": self._now,
            "rows": rows_snapshot(self._table, self._site, self._now),
            "book": self._book.snapshot(),
        }

    def restore(
        self, snapshot: Mapping[str, Any] | None, tail: Sequence[Transition], now: int
    ) -> None:
        """Snapshot plus the transitions journaled after it; nothing is announced again.

        Every channel is UNKNOWN until its first reading; delays keep what was left of them.
        """
        if snapshot is not None:
            restore_rows(self._table, self._site, snapshot["rows"])
            self._book.restore(snapshot["book"])
        for transition in tail:
            self._book.fold(transition)
            owner, _, group = transition.alarm.rpartition(":")
            rows = self._table.groups.get((self._index.get(owner, -1), group), [])
            fold_rows(self._table, rows, transition)
        self._now = max(self._now, now)
        every = list(range(len(self._site.points)))
        self._channels.watch(every, self._now)
        self._masked[self._links.suppressed(every)] = True
