"""The zone's vote: two detectors of a gas at level 2, or one without a second witness, is red."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parkwatch.rules.compile import Table
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


def electorates(site: Site, table: Table) -> tuple[list[Electorate], dict[int, int]]:
    """All electorates, and of each point that votes the index of its own."""
    members: dict[tuple[str, str], list[int]] = {}
    for point in site.points:
        rows = range(table.begin[point.index], table.begin[point.index + 1])
        if any(table.limits[row].votes for row in rows):
            members.setdefault((point.zone, point.gas), []).append(point.index)
    made: list[Electorate] = []
    of_point: dict[int, int] = {}
    for (zone, gas), points in members.items():
        sides = []
        for side in ("high", "low"):
            rows_of_side = tuple(
                row
                for index in points
                for row in range(table.begin[index], table.begin[index + 1])
                if table.limits[row].votes and table.limits[row].side == side
            )
            if rows_of_side:
                sides.append(rows_of_side)
        of_point.update(dict.fromkeys(points, len(made)))
        made.append(
            Electorate(f"{zone}:vote-{gas.lower()}", zone, gas, tuple(points), tuple(sides))
        )
    return made, of_point


def count(electorate: Electorate, table: Table, healthy: Sequence[bool]) -> Verdict:
    """The verdict now; `healthy` says of every point of the electorate whether it witnesses.

    A voter is TRUE from the end of its level-2 on-delay to the end of its off-delay, also while
    it is lost (contracts.md, Vote). Two high or two low, never one of each.
    """
    witnesses = sum(healthy)
    best: tuple[int, ...] = ()
    for ballots in electorate.ballots:
        voters = tuple(int(table.point[row]) for row in ballots if table.live[row])
        if len(voters) > len(best):
            best = voters
    raises = len(best) >= 2 or (len(best) == 1 and witnesses < 2)
    return Verdict(raises, ends=not best, voters=best, healthy=witnesses)
