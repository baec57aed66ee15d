"""The zone's vote: two detectors of a gas at level 2, or one without a second witness, is red."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parkwatch.rules.compile import UNKNOWN, Table
from parkwatch.rules.grade import Grade, highest
from parkwatch.rules.site import Site


@dataclass(frozen=True, slots=True)
class Electorate:
    """The detectors of one gas in one zone; `ballots` are their voting rows by side."""

    alarm: str
    zone: str
    gas: str
    points: tuple[int, ...]
    ballots: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`raises`: the condition is TRUE now; `ends`: no detector is TRUE any more."""

    raises: bool
    ends: bool
    voters: tuple[int, ...]
    healthy: int


class Votes:
    """All electorates of a site; `of` gives each point that votes its own."""

    def __init__(self, site: Site, table: Table) -> None:
        self._table = table
        self.of: dict[int, Electorate] = {}
        self.by_alarm: dict[str, Electorate] = {}
        members: dict[tuple[str, str], list[int]] = {}
        for point in site.points:
            if any(table.limits[row].votes for row in table.span[point.index]):
                members.setdefault((point.zone, point.gas), []).append(point.index)
        for (zone, gas), points in members.items():
            ballots = (self._ballots(points, side) for side in ("high", "low"))
            electorate = Electorate(
                f"{zone}:vote-{gas.lower()}", zone, gas, tuple(points),
                tuple(rows for rows in ballots if rows),
            )  # fmt: skip
            self.by_alarm[electorate.alarm] = electorate
            self.of.update(dict.fromkeys(points, electorate))

    def count(self, electorate: Electorate, healthy: Sequence[bool]) -> Verdict:
        """The verdict now; `healthy` says of every point of the electorate whether it witnesses.

        A voter is TRUE from the end of its level-2 on-delay to the end of its off-delay, also
        while it is lost (contracts.md, Vote). Two high or two low, never one of each.
        """
        witnesses = sum(healthy)
        best: tuple[int, ...] = ()
        for ballots in electorate.ballots:
            voters = tuple(int(self._table.point[row]) for row in ballots if self._table.live[row])
            if len(voters) > len(best):
                best = voters
        raises = len(best) >= 2 or (len(best) == 1 and witnesses < 2)
        return Verdict(raises, ends=not best, voters=best, healthy=witnesses)

    def unknown(self, electorate: Electorate) -> bool:
        """Whether a detector that cannot be seen might be TRUE at level 2."""
        return any(self._table.truth[row] == UNKNOWN for rows in electorate.ballots for row in rows)

    def blind_grade(self, lost: Sequence[int], healthy: Sequence[bool]) -> Grade:
        """The grade of losing some points (contracts.md, Blindness), the gas zones they see.

        `healthy` by point index, for all points of the site.
        """
        gone = set(lost)
        grade = Grade.BLUE
        touched = {self.of[p].alarm for p in lost if p in self.of}
        for alarm in touched:
            left = sum(healthy[p] for p in self.by_alarm[alarm].points if p not in gone)
            grade = highest(grade, (Grade.ORANGE, Grade.YELLOW, Grade.BLUE)[min(left, 2)])
        return grade

    def _ballots(self, points: Sequence[int], side: str) -> tuple[int, ...]:
        limits = self._table.limits
        return tuple(
            row
            for point in points
            for row in self._table.span[point]
            if limits[row].votes and limits[row].side == side
        )
