"""Blindness of a zone: how many of its detectors of a gas can be seen, and what that is worth.

One of several lost is the point's own blue fault. `ZONE:blind-GAS` begins where fewer than two are
left (yellow); none left, or three lost within a minute, is orange; none left while an alarm there
is active or pending is red after three minutes (contracts.md, Blindness). It has no state of its
own: a detector is lost while its fault is live, while it is calibrating, warming up or out of
service, or while its alarm is masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.alarms.vote import Electorate, Votes
from parkwatch.rules.evaluate.channels import Channels
from parkwatch.rules.evaluate.compile import NEVER, Table
from parkwatch.rules.evaluate.kernel import BLIND, FAULTY
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import SECOND_NS

TOGETHER, WITHIN_NS = 3, 60 * SECOND_NS
RED_NS = 180 * SECOND_NS
RED_LEVEL = 3
GRADES = {1: Grade.YELLOW, 2: Grade.ORANGE, RED_LEVEL: Grade.RED}
_PLANNED: NDArray[np.bool_] = BLIND & ~FAULTY


class Blindness:
    """Counts what is lost; `due`: when a zone without view that has an alarm turns red."""

    def __init__(
        self, table: Table, channels: Channels, votes: Votes, hidden: Mapping[int, int]
    ) -> None:
        self._table, self._channels, self._votes = table, channels, votes
        self._hidden = hidden
        self._heap: list[tuple[int, str]] = []

    @property
    def due(self) -> int:
        return self._heap[0][0] if self._heap else NEVER

    def reached(self, due: int) -> list[Electorate]:
        """Electorates to be looked at by `due`."""
        found: set[str] = set()
        while self._heap and self._heap[0][0] <= due:
            found.add(heappop(self._heap)[1])
        return [self._votes.by_alarm[name] for name in sorted(found)]

    def resume(self, now: int) -> None:
        """After a restart: what was lost is lost, and the time to red goes on."""
        table = self._table
        faulty = table.channel[table.fault & table.holds]
        self._channels.healthy[faulty] = False
        self._channels.healthy[self.planned()] = False
        for electorate in self._votes.by_alarm.values():
            self.level(electorate, now)

    def planned(self) -> list[int]:
        """Points that are calibrating, warming up or out of service."""
        points = self._channels.qualities[: self._table.points]
        found: list[int] = np.flatnonzero(_PLANNED[points]).tolist()
        return found

    def lost(self, electorate: Electorate) -> list[tuple[int, ...]]:
        """The heads of which no point can be seen."""
        return [head for head in electorate.heads if all(map(self._gone, head))]

    def level(self, electorate: Electorate, now: int) -> int:
        """0 none (or the points' own business), 1 yellow, 2 orange, 3 red."""
        lost = self.lost(electorate)
        if not lost:
            return 0
        since = sorted(max(map(self._since, head)) for head in lost)
        left = len(electorate.heads) - len(lost)
        if not left and self._at_stake(electorate):
            if now >= since[-1] + RED_NS:
                return RED_LEVEL
            heappush(self._heap, (since[-1] + RED_NS, electorate.alarm))
        burst = zip(since, since[TOGETHER - 1 :], strict=False)
        if not left or any(last - first <= WITHIN_NS for first, last in burst):
            return 2
        return 1 if left < 2 else 0

    def _gone(self, point: int) -> bool:
        row = self._table.span[point][-1]
        return bool(
            self._table.at.live[row]
            or _PLANNED[self._channels.at_quality[point]]
            or point in self._hidden
        )

    def _since(self, point: int) -> int:
        row = self._table.span[point][-1]
        return self._table.at.since[row] if self._table.at.live[row] else self._hidden.get(point, 0)

    def _at_stake(self, electorate: Electorate) -> bool:
        """Whether an alarm of the gas is active there, or its delay was running, and nobody sees
        it now (a fault lasts 10 s longer than its reason)."""
        table = self._table
        if any(self._channels.healthy[point] for point in electorate.points):
            return False
        return any(
            (table.holds[row] or table.live[row]) and not table.limits[row].shadow
            for point in electorate.points
            for row in table.span[point][:-1]
        )
