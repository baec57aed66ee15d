"""What masks hide from people: detectors that count as lost, and suppression by plant state."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from parkwatch.rules.alarms import masks
from parkwatch.rules.alarms.book import Book
from parkwatch.rules.alarms.masks import OUT_OF_SERVICE, PLANT, SHELVED, Mask
from parkwatch.rules.alarms.vote import Electorate, Votes
from parkwatch.rules.evaluate.compile import NEVER, Table
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import Site, Suppression
from parkwatch.rules.transition import Transition


class Veils:
    """`hidden`: voting points whose alarm is under a mask, with since when; a zone is as blind as
    if they were lost. `out`: those that are out of service; they are no witness of a vote."""

    def __init__(
        self, site: Site, table: Table, book: Book, votes: Votes, rows: Callable[[str], list[int]]
    ) -> None:
        self._site, self._table, self._book, self._votes = site, table, book, votes
        self._rows = rows
        self._point = {site.points[p].id: p for p in votes.of}
        self.hidden: dict[int, int] = {}
        self.out: set[int] = set()
        self.orphaned = False
        self._on: set[int] = set()

    # Detectors that are hidden ---------------------------------------------------------------

    def changed(self) -> list[Electorate]:
        """The electorates in which a detector became hidden or visible since the last call."""
        names, self._book.veiled = self._book.veiled, []
        points = {self._point.get(name.rpartition(":")[0], -1) for name in names} - {-1}
        for point in points:
            self._look(point)
        found = {self._votes.of[p].alarm: self._votes.of[p] for p in sorted(points)}
        return list(found.values())

    def resume(self) -> None:
        """After a restart: what the book's masks hide, and which suppressions were on."""
        for name in self._book.alarms:
            point = self._point.get(name.rpartition(":")[0])
            if point is not None:
                self._look(point)
        for number, suppression in enumerate(self._site.suppressions):
            if any(self._held_by(alarm) == suppression.name for alarm in suppression.alarms):
                self._on.add(number)
        self.orphaned = any(map(self._held_by, self._book.alarms))

    def _look(self, point: int) -> None:
        self.hidden.pop(point, None)
        self.out.discard(point)
        for name in self.alarms_of(point):
            alarm = self._book.alarms.get(name)
            if alarm is None or not masks.hides(alarm.masks):
                continue
            self.hidden[point] = max(masks.since(alarm.masks), self.hidden.get(point, 0))
            if OUT_OF_SERVICE in alarm.masks:
                self.out.add(point)

    def alarms_of(self, point: int) -> list[str]:
        """The alarms with which a point votes."""
        limits = self._table.limits
        groups = dict.fromkeys(
            limits[row].group for row in self._table.span[point]
            if limits[row].votes and not limits[row].shadow
        )  # fmt: skip
        return [f"{self._site.points[point].id}:{group}" for group in groups]

    def unshelve(self, electorate: Electorate, now: int) -> list[Transition]:
        """A vote ends the shelves of its detectors' alarms, unacknowledged."""
        out: list[Transition] = []
        for point in electorate.points:
            for name in self.alarms_of(point):
                out += self._book.uncover(name, now, SHELVED, {"why": "vote"}, unseen=True)
        return out

    # Suppression by plant state --------------------------------------------------------------

    def suppress(self, numbers: Iterable[int], now: int, *, on: bool) -> list[Transition]:
        """The plant state of some suppressions is TRUE now, or is not."""
        out: list[Transition] = []
        for number in numbers:
            suppression = self._site.suppressions[number]
            over = 0 < suppression.until <= now
            if (on and not over) == (number in self._on):
                continue
            (self._on.discard if number in self._on else self._on.add)(number)
            for alarm in suppression.alarms:
                out += self._settle(alarm, now)
        return out

    def over(self, now: int) -> list[Transition]:
        """Signatures that end now: where another suppression is on, the alarm is its from here;
        else the book ends the mask."""
        out: list[Transition] = []
        for number in sorted(self._on):
            suppression = self._site.suppressions[number]
            if 0 < suppression.until <= now:
                self._on.discard(number)
                out += [t for alarm in suppression.alarms for t in self._settle(alarm, now)]
        return out

    def orphans(self, now: int) -> list[Transition]:
        """After a restart: alarms that the configuration suppresses no longer, or otherwise."""
        self.orphaned = False
        held = [alarm for alarm in self._book.alarms if self._held_by(alarm)]
        return [t for alarm in held for t in self._settle(alarm, now)]

    def _settle(self, alarm: str, now: int) -> list[Transition]:
        """The mask that the suppressions now on ask for. What is essential is not hidden without a
        signature; nor is it once it has been shown. A mask whose time is over ends as such."""
        holding = self._holding(alarm, now)
        found = self._book.alarms.get(alarm)
        mask = found.masks.get(PLANT) if found is not None else None
        if not holding:
            ends = mask is not None and mask.until > now
            return self._book.uncover(alarm, now, PLANT, {}) if ends else []
        by = next((s for s in holding if s.until), holding[0])
        until = by.until or NEVER
        if mask is not None and (mask.owner, mask.until) == (by.name, until):
            return []
        mask = Mask(now, until, reason=by.reason, owner=by.name, signed=bool(by.until))
        return self._book.cover(alarm, now, PLANT, mask, {})

    def _holding(self, alarm: str, now: int) -> list[Suppression]:
        """The suppressions now on that may hide an alarm as it is."""
        found = self._book.alarms.get(alarm)
        never = found is not None and self._essential(alarm, found.reached)
        on = [self._site.suppressions[number] for number in sorted(self._on)]
        return [
            s for s in on if alarm in s.alarms and (s.until > now or not (s.until or never))
        ]  # fmt: skip

    def _essential(self, alarm: str, level: int) -> bool:
        """Whether a level up to this one is essential."""
        limits = [self._table.limits[row] for row in self._rows(alarm)]
        return any(
            each.level <= level and (each.essential or each.grade is Grade.RED) for each in limits
        )

    def _held_by(self, alarm: str) -> str:
        found = self._book.alarms.get(alarm)
        mask = found.masks.get(PLANT) if found is not None else None
        return mask.owner if mask is not None else ""
