"""The zone's vote: two detectors of a gas at level 2, or one without a second witness, is red."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.arming import UNARMED
from parkwatch.rules.evaluate.compile import NEVER, UNKNOWN, Table
from parkwatch.rules.grade import Grade, highest
from parkwatch.rules.site import Point, Site


@dataclass(frozen=True, slots=True)
class Electorate:
    """The detectors of one gas in one zone.

    `heads`: the points of each physical detector (one head seen through panel and PLC is one
    voter); `ballots`: voting rows by side, each with the number of its head; `alone_until`: engine
    time up to which a signed override lets a single level 2 without a witness stay as it is.
    """

    alarm: str
    zone: str
    gas: str
    heads: tuple[tuple[int, ...], ...]
    ballots: tuple[tuple[tuple[int, int], ...], ...]
    alone_until: int = 0

    @property
    def points(self) -> tuple[int, ...]:
        return tuple(point for head in self.heads for point in head)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`raises`: the condition is TRUE now; `ends`: no detector is TRUE any more.

    `voters`: one point of each detector that is TRUE; `healthy`: detectors that witness.
    """

    raises: bool
    ends: bool
    voters: tuple[int, ...]
    healthy: int


class Votes:
    """All electorates of a site; `of` gives each point that votes its own."""

    def __init__(self, site: Site, table: Table) -> None:
        self._table = table
        self._armed = [point.armed != UNARMED for point in site.points]
        self.of: dict[int, Electorate] = {}
        self.by_alarm: dict[str, Electorate] = {}
        self._rows: dict[int, list[int]] = {}
        for row, limit in enumerate(table.limits):
            if limit.votes and not limit.shadow:
                self._rows.setdefault(limit.point, []).append(row)
        members: dict[tuple[str, str], list[Point]] = {}
        for index in self._rows:
            point = site.points[index]
            members.setdefault((point.zone, point.gas), []).append(point)
        for (zone, gas), points in members.items():
            heads: dict[str, list[int]] = {}
            for point in points:
                heads.setdefault(point.head or point.id, []).append(point.index)
            ballots = (self._ballots(list(heads.values()), side) for side in ("high", "low"))
            known = site.zones.get(zone)
            electorate = Electorate(
                f"{zone}:vote-{gas.lower()}", zone, gas, tuple(tuple(h) for h in heads.values()),
                tuple(rows for rows in ballots if rows),
                0 if known is None else known.alone_until,
            )  # fmt: skip
            self.by_alarm[electorate.alarm] = electorate
            self.of.update(dict.fromkeys(electorate.points, electorate))
        self._expiring = sorted(
            (e for e in self.by_alarm.values() if e.alone_until),
            key=lambda e: (e.alone_until, e.alarm),
            reverse=True,
        )

    @property
    def next_expiry(self) -> int:
        """When the next override ends, NEVER where none runs."""
        return self._expiring[-1].alone_until if self._expiring else NEVER

    def expired(self, due: int) -> list[Electorate]:
        """Those whose override ended by `due`; each once."""
        found = []
        while self.next_expiry <= due and self._expiring:
            found.append(self._expiring.pop())
        return found

    def count(self, electorate: Electorate, healthy: NDArray[np.bool_], now: int) -> Verdict:
        """The verdict now; `healthy` by point index says whether a point witnesses.

        A voter is TRUE from the end of its level-2 on-delay to the end of its off-delay, also
        while it is lost (contracts.md, Vote). Two high or two low, never one of each.
        """
        witnesses = sum(
            any(healthy[p] and self._armed[p] for p in head) for head in electorate.heads
        )
        best: dict[int, int] = {}
        for ballots in electorate.ballots:
            voters = {
                head: int(self._table.limits[row].point)
                for head, row in reversed(ballots)
                if self._table.live[row]
            }
            if len(voters) > len(best):
                best = voters
        alone = len(best) == 1 and witnesses < 2 and now >= electorate.alone_until
        voters_now = tuple(best[head] for head in sorted(best))
        return Verdict(len(best) >= 2 or alone, not best, voters_now, witnesses)

    def unknown(self, electorate: Electorate) -> bool:
        """Whether a detector that cannot be seen might be TRUE at level 2."""
        return any(
            self._table.truth[row] == UNKNOWN for rows in electorate.ballots for _, row in rows
        )

    def blind_grade(self, lost: Sequence[int], healthy: Sequence[bool]) -> Grade:
        """The grade of losing some points (contracts.md, Blindness), the gas zones they see.

        `healthy` by point index, for all points of the site.
        """
        gone = set(lost)
        grade = Grade.BLUE
        touched = {self.of[p].alarm for p in lost if p in self.of}
        for alarm in touched:
            left = sum(
                any(healthy[p] and p not in gone for p in head)
                for head in self.by_alarm[alarm].heads
            )
            grade = highest(grade, (Grade.ORANGE, Grade.YELLOW, Grade.BLUE)[min(left, 2)])
        return grade

    def _ballots(self, heads: Sequence[Sequence[int]], side: str) -> tuple[tuple[int, int], ...]:
        limits = self._table.limits
        return tuple(
            (number, row)
            for number, head in enumerate(heads)
            for point in head
            for row in self._rows[point]
            if limits[row].side == side
        )
