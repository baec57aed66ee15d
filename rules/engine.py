"""The engine: readings, time and commands in, transitions out; no clock, no I/O, no randomness."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.alarms import commands
from parkwatch.rules.alarms.alarm import Alarm, Live, Place
from parkwatch.rules.alarms.commands import Facts
from parkwatch.rules.arming import UNARMED
from parkwatch.rules.batch import DRILL
from parkwatch.rules.equipment.detector import PANEL
from parkwatch.rules.evaluate import state
from parkwatch.rules.evaluate.compile import TRUE, UNKNOWN, YIELDED
from parkwatch.rules.evaluate.evaluation import Evaluation
from parkwatch.rules.grade import Grade, highest
from parkwatch.rules.site import Limit, Point, Site
from parkwatch.rules.transition import AlarmView, Command, Outcome, Transition


class Engine(Evaluation):
    """The only stateful object of the rules: `feed` and `advance` (Evaluation), what is decided
    elsewhere, people's commands, views, and the whole state as bytes.

    `values`, `qualities`, `times`, `receiveds` are the latest reading by point index, NaN and
    BAD|COMMS before the first; read-only for others.
    """

    def __init__(self, site: Site, now: int) -> None:
        super().__init__(site, now)
        self._keys: state.Keys | None = None
        self._on_change: dict[str, list[int]] = {}
        for point in site.points:
            if point.on_change:
                self._on_change.setdefault(point.device, []).append(point.index)

    @property
    def site(self) -> Site:
        """What it was compiled from."""
        return self._site

    @property
    def values(self) -> NDArray[np.float64]:
        return self._channels.values[: self._n]

    @property
    def qualities(self) -> NDArray[np.uint8]:
        return self._channels.qualities[: self._n]

    @property
    def times(self) -> NDArray[np.int64]:
        return self._channels.times[: self._n]

    @property
    def receiveds(self) -> NDArray[np.int64]:
        return self._channels.receiveds[: self._n]

    @property
    def delaying(self) -> bool:
        """Whether a delay may be running."""
        return bool(self._table.timers)

    # Conditions from outside, commands ------------------------------------------------------

    def condition(
        self,
        alarm: str,
        *,
        active: int,
        grade: Grade,
        cause: Mapping[str, Any],
        now: int,
        latch: bool = False,
    ) -> list[Transition]:
        """A condition that is decided elsewhere (links, gateways, our own parts): same life.

        `active` is its level, 0 where it is over. Told again with a worse grade or a higher level
        it is a rise, with a lesser grade nothing. A `DEVICE:link` also suppresses the comms and
        stale faults of its points, and counts them in its cause.
        """
        now = max(now, self._now)
        out = self.advance(now)
        live = Live(int(active), grade, now, cause, latch)
        out += self._settle.outside(alarm, now, live, cause)
        for point in self._settle.links.points.get(alarm, ()):
            if self._settle.masked[point]:
                self._channels.settle(point, open_=False)
        self._due = min(self._due, self._earliest())
        return out

    def heartbeat(self, device: str, now: int) -> None:
        """A fresh message that names a device: its points that publish on change are not stale."""
        self._channels.alive(self._on_change.get(device, ()), max(now, self._now))

    def point(self, name: str) -> Point | None:
        """A point by its id."""
        index = self._index.get(name)
        return None if index is None else self._site.points[index]

    def reached(self, index: int) -> Limit | None:
        """The highest limit that an unarmed point is at or beyond; None where there is none, and
        of every other point: that one has alarms."""
        if self._site.points[index].armed != UNARMED:
            return None
        table = self._table
        return max(
            (
                table.limits[row] for row in table.span[index][:-1]
                if table.at.truth[row] == TRUE or table.at.live[row]
            ),
            key=lambda limit: limit.level,
            default=None,
        )  # fmt: skip

    def device_kind(self, point: Point) -> str:
        """What the device of a point watches (`gas`, `boiler`, `esd`, `confined`, ...)."""
        device = self._site.devices.get(point.device)
        return "" if device is None else device.kind

    def checked(self, point: int, now: int) -> list[Transition]:
        """A portable reading or zero check of a point is on record: its low value counts again."""
        out = self.advance(max(now, self._now))
        self._channels.folded.discard(point)
        return out

    def command(self, command: Command, now: int) -> Outcome:
        """What a person asks, refused with a reason where it may not be."""
        due = self.advance(max(now, self._now))
        answer = commands.apply(self._settle.book, command, self._now, self._facts(command.alarm))
        after = self._late.acknowledged(command.alarm, self._now)
        after += self._settle.unveil(self._now)
        self._due = min(self._due, self._earliest())
        transitions = (*due, *answer.transitions, *after)
        return Outcome(answer.ok, answer.code, answer.what, answer.remedy, transitions)

    def close(self, alarm: str, now: int, cause: Mapping[str, Any]) -> list[Transition]:
        """End an alarm that a changed configuration no longer watches as it did, whatever its
        state; `cause` says `why`, `persons` and `reason`."""
        out = self.advance(max(now, self._now))
        out += self._settle.book.close(alarm, self._now, cause)
        out += self._settle.unveil(self._now)
        self._due = min(self._due, self._earliest())
        return out

    def _facts(self, alarm: str) -> Facts:
        """What is known of an alarm's condition now."""
        table, two = self._table, self._site.red_reset_two
        electorate = self._settle.votes.by_alarm.get(alarm)
        if electorate is not None:
            rows = [row for rows in electorate.ballots for _, row in rows]
            holds, gas = bool(self._settle.book.live_level(alarm)), electorate.gas
            unknown = self._settle.votes.unknown(electorate)
        else:
            rows = self._settle.rows(alarm)
            unknown = any(table.truth[row] == UNKNOWN for row in rows)
            holds = any(table.truth[row] == TRUE for row in rows)
            owner = self._index.get(alarm.rpartition(":")[0])
            gas = "" if owner is None else self._site.points[owner].gas
        live = [table.limits[row] for row in rows if table.live[row]]
        limits = tuple(table.limits[row] for row in rows)
        panel = bool(live) and all(limit.name == PANEL for limit in live)
        return Facts(limits, holds, unknown, panel, gas, two)

    def blindness(self, device: str) -> Grade:
        """The grade of losing all points of a device or gateway (contracts.md, Blindness).

        Per zone and gas: none left orange, fewer than two healthy yellow, else blue; at least the
        `blind_grade` of every device that is lost with it.
        """
        carried = [
            d.blind_grade for d in self._site.devices.values() if device in (d.id, d.gateway)
        ]
        lost = self._settle.links.points.get(f"{device}:link", [])
        zones = self._settle.votes.blind_grade(lost, self._channels.healthy.tolist())
        return highest(zones, *carried)

    # Views and state ------------------------------------------------------------------------

    def alarm(self, alarm: str) -> AlarmView | None:
        """One alarm that is not normal, or None."""
        found = self._settle.book.alarms.get(alarm)
        return None if found is None else self._view(found)

    def alarms(self) -> list[AlarmView]:
        """All alarms that are not normal."""
        return [self._view(alarm) for alarm in self._settle.book.alarms.values()]

    def _view(self, alarm: Alarm) -> AlarmView:
        owner, _, group = alarm.id.rpartition(":")
        cause, book = alarm.cause, self._settle.book
        if group == "link":
            cause = {**cause, "suppressed": self._settle.suppressed(alarm.id)}
        if owner in self._index:
            point = self._site.points[self._index[owner]]
            return book.view(alarm, Place(point.index, point.zone, point.enterprise), cause)
        zone = owner if owner in self._site.zones else ""
        return book.view(alarm, Place(-1, zone, owner.partition("/")[0]), cause)

    def knows(self, alarm: str) -> bool:
        """Whether there is, was or may be such an alarm."""
        book = self._settle.book
        return alarm in book.alarms or alarm in book.last or bool(self._settle.rows(alarm))

    def last(self, alarm: str) -> tuple[int, int]:
        """Occurrence and version of an alarm as they were last; 0, 0 where it was never raised."""
        found = self._settle.book.alarms.get(alarm)
        known = self._settle.book.last.get(alarm, (0, 0))
        return known if found is None else (found.occurrence, found.version)

    def snapshot(self) -> bytes:
        """The whole state, by names and not by indices (state.py says how)."""
        if self._keys is None:
            self._keys = state.Keys(self._table, self._site)
        return state.pack(
            self._keys, self._table, self._windows, self._now,
            {
                "book": self._settle.book.snapshot(),
                "shadows": self._settle.shadows.levels,
                "planned": {
                    self._site.points[p].id: self._channels.at_quality[p]
                    for p in self._settle.blindness.planned()
                },
                "folded": self._ids(self._channels.folded),
                "doubted": self._ids(self._channels.doubted),
                "lost": {self._site.points[p].id: v for p, v in self._channels.lost.items()},
                "late": self._late.snapshot(),
                "ages": {self._site.points[p].id: t for p, t in self._ages.snapshot().items()},
            },
        )  # fmt: skip

    def _ids(self, points: Iterable[int]) -> list[str]:
        return [self._site.points[p].id for p in sorted(points)]

    def restore(self, snapshot: bytes | None, tail: Sequence[Transition], now: int) -> None:
        """Snapshot plus the transitions journaled after it; nothing is announced again.

        Every channel is UNKNOWN until its first reading; delays keep what was left of them.
        """
        self._now = max(self._now, now)
        if snapshot is not None:
            self._keys = self._keys or state.Keys(self._table, self._site)
            rest = state.unpack(snapshot, self._keys, self._table, self._windows, self._now)
            self._settle.book.restore(rest["book"])
            self._settle.shadows.levels |= {a: (v[0], v[1]) for a, v in rest["shadows"].items()}
            for name, marks in (
                ("folded", self._channels.folded), ("doubted", self._channels.doubted)
            ):  # fmt: skip
                marks.update(self._index[p] for p in rest[name] if p in self._index)
            for name, quality in rest["planned"].items():
                if name in self._index:
                    self._channels.at_quality[self._index[name]] = quality
            lost = {self._index[p]: v for p, v in rest["lost"].items() if p in self._index}
            self._channels.lost.update(lost)
            self._late.restore(rest["late"], self._index)
            last = {self._index[p]: t for p, t in rest["ages"].items() if p in self._index}
            self._ages.restore(last)
        for transition in tail:
            if transition.origin.startswith(DRILL):
                continue
            self._settle.book.fold(transition)
            self._late.fold(transition)
            state.fold_rows(self._table, self._settle.rows(transition.alarm), transition)
        self._resume()

    def _resume(self) -> None:
        """What follows from the rows and the book as they are now."""
        every = list(range(self._n))
        self._channels.watch(every, self._now)
        self._settle.masked[self._settle.links.suppressed(every)] = True
        self._channels.unsettle(self._settle.masked)
        self._settle.veils.resume()
        self._settle.blindness.resume(self._now)
        for point, rows in self._table.yielding.items():
            live = self._settle.limit_live(point)
            for row in rows:
                self._table.at.off[row] = (self._table.at.off[row] & ~YIELDED) | (YIELDED * live)
        for channel in self._ages.channels:
            age = self._ages.age(channel, self._now)
            self._channels.at_value[channel] = age
            self._channels.settle(channel, open_=False)
        self._due = self._now
