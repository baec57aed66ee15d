"""The engine: readings, time and commands in, transitions out; no clock, no I/O, no randomness.

Every reading is judged at its `received`, as if `advance(received)` had been called before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules import kernel
from parkwatch.rules.alarms import Alarm, Book, Live, Place
from parkwatch.rules.batch import LATE, Batch
from parkwatch.rules.compile import NEVER, TRUE, UNKNOWN, Table
from parkwatch.rules.grade import Grade, highest
from parkwatch.rules.quality import (
    BAD_COMMS,
    BAD_FAULT,
    BAD_STALE,
    READING,
    Reading,
    reason_name,
    status_name,
)
from parkwatch.rules.readings import Ranges, segments
from parkwatch.rules.site import SECOND_NS, Site
from parkwatch.rules.state import restore_rows, rows_snapshot
from parkwatch.rules.transition import AlarmView, Command, Outcome, Transition
from parkwatch.rules.vote import Electorate, count, electorates

FAULT_ON_NS = 4 * SECOND_NS
"""Debounce of a fault alarm (NE 43 practice); stale and comms have had their wait already."""


class Engine:
    """Compiled from a Site; the only stateful object of the rules."""

    def __init__(self, site: Site, now: int) -> None:
        n = len(site.points)
        self._site = site
        self._table = Table(site)
        self._book = Book()
        self._voting, self._electorate_of = electorates(site, self._table)
        self._now = now
        self.values: NDArray[np.float64] = np.full(n, np.nan)
        self.qualities: NDArray[np.uint8] = np.full(n, BAD_COMMS, dtype=np.uint8)
        self.times: NDArray[np.int64] = np.zeros(n, dtype=np.int64)
        self.receiveds: NDArray[np.int64] = np.zeros(n, dtype=np.int64)
        self.dropped = 0
        self._ranges = Ranges(site)
        self._stale_ns = np.array([p.stale_ns for p in site.points], dtype=np.int64)
        self._stale_due = now + self._stale_ns
        self._link_down = np.zeros(n, dtype=np.bool_)
        self._grace = np.ones(n, dtype=np.bool_)  # Not seen since the start, not yet stale.
        self._lost: set[int] = set()  # Points lost while a limit was TRUE or about to be.
        self._beyond: set[int] = set()  # Points that read more than 1.2 times full scale.
        self._index = {p.id: p.index for p in site.points}
        self._device_points: dict[str, list[int]] = {}
        for point in site.points:
            device = site.devices.get(point.device)
            for owner in (point.device, device.gateway if device else ""):
                self._device_points.setdefault(owner, []).append(point.index)

    # Readings ------------------------------------------------------------------------------

    def feed(self, batch: Batch) -> list[Transition]:
        """Judge a batch; what is late changes nothing here (history has it)."""
        if batch.origin == LATE or not len(batch):
            return []
        known = (batch.point >= 0) & (batch.point < len(self._site.points))
        keep = np.arange(len(batch)) if known.all() else np.flatnonzero(known)
        self.dropped += len(batch) - len(keep)
        out: list[Transition] = []
        for part in segments(batch.point, batch.received, keep):
            now = max(self._now, int(batch.received[part[0]]))
            out += self.advance(now)
            points = batch.point[part]
            self.times[points] = batch.time[part]
            out += self._read(points, batch.value[part], batch.quality[part], now)
        return out

    def _read(
        self,
        points: NDArray[np.int32],
        value: NDArray[np.float64],
        quality: NDArray[np.uint8],
        now: int,
    ) -> list[Transition]:
        quality, beyond = self._ranges.requalify(points, value, quality)
        if len(beyond) or self._beyond:
            self._beyond.difference_update(points.tolist())
            self._beyond.update(beyond.tolist())
        was = READING[self.qualities[points]] != Reading.UNKNOWN
        fresh = self._grace[points]
        self.values[points] = np.where(READING[quality] == Reading.UNKNOWN, np.nan, value)
        self.qualities[points] = quality
        self.receiveds[points] = now
        self._stale_due[points] = now + self._stale_ns[points]
        self._grace[points] = False
        changed = points[((READING[quality] != Reading.UNKNOWN) != was) | fresh]
        return self._judge(points, now, changed)

    def _judge(
        self, points: NDArray[np.int32], now: int, health_changed: NDArray[np.int32]
    ) -> list[Transition]:
        """Evaluate the rows of some points with what they last read."""
        table = self._table
        changed: list[tuple[int, int]] = []
        if len(points) <= kernel.SCALAR_MAX:
            for point in points.tolist():
                value, quality = float(self.values[point]), int(self.qualities[point])
                for row in range(table.begin[point], table.begin[point + 1]):
                    truth = kernel.truth(
                        table, row, value, quality, link_down=bool(self._link_down[point])
                    )
                    if truth != table.truth[row]:
                        changed.append((row, truth))
        else:
            rows = table.rows_of(points)
            of = table.point[rows]
            found = kernel.truths(
                table, rows, self.values[of], self.qualities[of], self._link_down[of]
            )
            at = np.flatnonzero(found != table.truth[rows])
            changed = list(zip(rows[at].tolist(), found[at].tolist(), strict=True))
        dirty: dict[tuple[int, str], None] = {}
        for row, truth in changed:
            self._note_loss(row, truth)
            if table.change(row, truth, now, self._on_delay(row)):
                dirty[self._group(row)] = None
        return self._settle(dirty, health_changed.tolist(), now)

    def _on_delay(self, row: int) -> int:
        table = self._table
        if table.fault[row] and self.qualities[table.point[row]] == BAD_FAULT:
            return FAULT_ON_NS
        return int(table.on_ns[row])

    def _note_loss(self, row: int, truth: int) -> None:
        table = self._table
        point = int(table.point[row])
        if not table.fault[row]:
            if truth == UNKNOWN and (table.holds[row] or table.live[row]):
                self._lost.add(point)
        elif truth != TRUE:
            self._lost.discard(point)

    def _group(self, row: int) -> tuple[int, str]:
        limit = self._table.limits[row]
        return limit.point, limit.group

    # Time ----------------------------------------------------------------------------------

    def advance(self, now: int) -> list[Transition]:
        """Let time pass: staleness before delays that end at the same moment, in time order."""
        out: list[Transition] = []
        while True:
            due = self.next_due()
            if due is None or due > now:
                break
            self._now = max(self._now, due)
            stale = np.flatnonzero(self._stale_due <= due).astype(np.int32)
            if len(stale):
                was = READING[self.qualities[stale]] != Reading.UNKNOWN
                gone = was | self._grace[stale]
                self._stale_due[stale] = NEVER
                self._grace[stale] = False
                self.values[stale] = np.nan
                self.qualities[stale] = BAD_STALE
                out += self._judge(stale, due, stale[gone])
            rows = np.flatnonzero(self._table.due <= due).tolist()
            dirty: dict[tuple[int, str], None] = {}
            for row in rows:
                self._table.expire(row)
                dirty[self._group(row)] = None
            out += self._settle(dirty, [], due)
            out += self._book.realarm(due)
        self._now = max(self._now, now)
        return out

    def next_due(self) -> int | None:
        """When `advance` has something to do, in engine time; None: nothing is running."""
        due = self._book.next_due()
        if len(self._table.due):
            due = min(due, int(self._table.due.min()), int(self._stale_due.min()))
        return None if due == NEVER else due

    # Alarms --------------------------------------------------------------------------------

    def _settle(
        self, dirty: Mapping[tuple[int, str], None], health_changed: Sequence[int], now: int
    ) -> list[Transition]:
        out: list[Transition] = []
        votes = {self._electorate_of[p] for p in health_changed if p in self._electorate_of}
        for point, group in dirty:
            out += self._settle_group(point, group, now)
            if point in self._electorate_of:
                votes.add(self._electorate_of[point])
        for index in sorted(votes):
            out += self._settle_vote(self._voting[index], now)
        return out

    def _settle_group(self, point: int, group: str, now: int) -> list[Transition]:
        table = self._table
        rows = table.groups[point, group]
        live = [row for row in rows if table.live[row]]
        top = max(live, key=lambda row: table.limits[row].level, default=None)
        named = top if top is not None else rows[0]
        limit = table.limits[named]
        grade = self._fault_grade(point) if group == "fault" else limit.grade
        holding = [row for row in rows if table.holds[row]] or rows
        live_now = Live(
            limit.level if top is not None else 0,
            grade,
            began=int(table.since[holding[0]]),
            cause=self._cause(point, named),
            latch=any(table.limits[row].latch for row in live),
        )
        return self._book.level(f"{self._site.points[point].id}:{group}", now, live_now)

    def _fault_grade(self, point: int) -> Grade:
        return Grade.ORANGE if point in self._lost or point in self._beyond else Grade.BLUE

    def _cause(self, index: int, row: int) -> dict[str, Any]:
        point, limit = self._site.points[index], self._table.limits[row]
        quality = int(self.qualities[index])
        value = float(self.values[index])
        cause: dict[str, Any] = {
            "tag": point.tag,
            "point": point.id,
            "value": value if np.isfinite(value) else None,
            "unit": point.unit,
            "quality": status_name(quality),
            "reason": reason_name(quality),
        }
        if limit.group != "fault":
            cause |= {"limit": limit.limit, "side": limit.side, "clause": limit.clause}
        elif index in self._lost:
            cause["lost_while_true"] = True
        return cause

    def _settle_vote(self, electorate: Electorate, now: int) -> list[Transition]:
        healthy = [
            bool(READING[self.qualities[p]] != Reading.UNKNOWN or self._grace[p])
            for p in electorate.points
        ]
        verdict = count(electorate, self._table, healthy)
        alarm = self._book.alarms.get(electorate.alarm)
        active = alarm is not None and alarm.level > 0
        if active and verdict.ends:
            level = 0
        elif active or verdict.raises:
            level = 1
        else:
            return []
        points = self._site.points
        values = [v for v in map(self._finite, verdict.voters) if v is not None]
        cause = {
            "value": max(values, default=None),
            "tag": electorate.zone.rpartition("/")[2],
            "gas": electorate.gas,
            "single": verdict.healthy < 2,
            "unit": points[electorate.points[0]].unit,
            "voters": [
                {"tag": points[p].tag, "point": points[p].id, "value": self._finite(p)}
                for p in verdict.voters
            ],
        }
        return self._book.level(
            electorate.alarm, now, Live(level, Grade.RED, now, cause, latch=True)
        )

    def _finite(self, point: int) -> float | None:
        value = float(self.values[point])
        return value if np.isfinite(value) else None

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
        """A condition that is decided elsewhere (links, gateways, our own parts): same life."""
        now = max(now, self._now)
        out = self.advance(now)
        owner, _, group = alarm.rpartition(":")
        points = self._device_points.get(owner, []) if group == "link" else []
        if points:
            self._link_down[points] = active
            cause = {**cause, "points": len(points)}
        out += self._book.level(alarm, now, Live(int(active), grade, now, cause, latch))
        seen = np.array([p for p in points if not self._grace[p]], dtype=np.int32)
        out += self._judge(seen, now, seen[:0])
        return out

    def command(self, command: Command, now: int) -> Outcome:
        """What a person asks, refused with a reason where it may not be."""
        due = self.advance(max(now, self._now))
        unknown = self._unknown(command.alarm)
        outcome = self._book.command(command, self._now, unknown=unknown)
        return Outcome(
            outcome.ok, outcome.code, outcome.what, outcome.remedy, (*due, *outcome.transitions)
        )

    def _unknown(self, alarm: str) -> bool:
        owner, _, group = alarm.rpartition(":")
        if owner in self._index:
            rows = self._table.groups.get((self._index[owner], group), [])
            return any(self._table.truth[row] == UNKNOWN for row in rows)
        for electorate in self._voting:
            if electorate.alarm == alarm:
                return any(
                    self._table.truth[row] == UNKNOWN and self._table.holds[row]
                    for ballots in electorate.ballots
                    for row in ballots
                )
        return False

    def blindness(self, device: str) -> Grade:
        """The grade of losing all points of a device (contracts.md, Blindness of a zone)."""
        known = self._site.devices.get(device)
        grade = known.blind_grade if known is not None else Grade.BLUE
        own = set(self._device_points.get(device, ()))
        for index in {self._electorate_of[p] for p in own if p in self._electorate_of}:
            left = sum(
                READING[self.qualities[p]] != Reading.UNKNOWN
                for p in self._voting[index].points
                if p not in own
            )
            grade = highest(grade, (Grade.ORANGE, Grade.YELLOW, Grade.BLUE)[min(left, 2)])
        return grade

    # Views and state ------------------------------------------------------------------------

    def alarm(self, alarm: str) -> AlarmView | None:
        """One alarm that is not normal, or None."""
        found = self._book.alarms.get(alarm)
        return None if found is None else self._view(found)

    def alarms(self) -> list[AlarmView]:
        """All alarms that are not normal."""
        return [self._view(alarm) for alarm in self._book.alarms.values()]

    def _view(self, alarm: Alarm) -> AlarmView:
        owner = alarm.id.rpartition(":")[0]
        if owner in self._index:
            point = self._site.points[self._index[owner]]
            return self._book.view(alarm, Place(point.index, point.zone, point.enterprise))
        zone = owner if owner in self._site.zones else ""
        return self._book.view(alarm, Place(-1, zone, owner.partition("/")[0]))

    def snapshot(self) -> dict[str, Any]:
        """The whole state as plain JSON, by names and not by indices."""
        return {
            "schema": 1,
            "now": self._now,
            "rows": rows_snapshot(self._table, self._site, self._now),
            "book": self._book.snapshot(),
            "lost": sorted(self._site.points[p].id for p in self._lost),
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
            self._lost = {self._index[name] for name in snapshot["lost"] if name in self._index}
        for transition in tail:
            self._book.fold(transition)
            self._fold_rows(transition)
        self._now = max(self._now, now)

    def _fold_rows(self, transition: Transition) -> None:
        owner, _, group = transition.alarm.rpartition(":")
        if owner not in self._index:
            return
        level = int(transition.cause.get("level", 0))
        for row in self._table.groups.get((self._index[owner], group), []):
            live = self._table.limits[row].level <= level
            self._table.live[row] = self._table.holds[row] = live
            self._table.left[row] = 0
            if live:
                self._table.since[row] = transition.occurrence
