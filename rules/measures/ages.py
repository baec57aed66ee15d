"""Clocks: minutes since the newest known reading of a point (confined space: the age of a test)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from heapq import heappop, heappush

from parkwatch.rules.evaluate.compile import NEVER, Table
from parkwatch.rules.measures import Age
from parkwatch.rules.measures.windows import MINUTE_NS


class Ages:
    """All age channels. `of[p]`: the channel of a point; `due`: when one reaches a limit.

    They are deadlines in engine time: down time counts (contracts.md, Down time).
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self.of: dict[int, int] = {}
        self._point: dict[int, int] = {}
        self._last: dict[int, int] = {}
        self._heap: list[tuple[int, int]] = []
        for i, measure in enumerate(table.measures):
            if isinstance(measure, Age):
                self.of[measure.point] = table.points + i
                self._point[table.points + i] = measure.point

    @property
    def due(self) -> int:
        return self._heap[0][0] if self._heap else NEVER

    @property
    def channels(self) -> list[int]:
        return list(self._point)

    def start(self, now: int) -> None:
        """What was never tested is too old from the start: all clocks are looked at once."""
        for channel in self._point:
            heappush(self._heap, (now, channel))

    def read(self, point: int, now: int) -> int:
        """A point was read and known: its channel, whose age is 0 now."""
        channel = self.of[point]
        self._last[channel] = now
        self._plan(channel)
        return channel

    def age(self, channel: int, now: int) -> float:
        """Minutes; +inf before the first reading."""
        last = self._last.get(channel)
        return math.inf if last is None else (now - last) / MINUTE_NS

    def reached(self, due: int) -> list[int]:
        """Channels that reach a limit by `due`, ascending."""
        found: set[int] = set()
        while self._heap and self._heap[0][0] <= due:
            found.add(heappop(self._heap)[1])
        return sorted(found)

    def _plan(self, channel: int) -> None:
        for row in self._table.span[channel]:
            minutes = float(self._table.limit[row])
            limit_ns = round(minutes * MINUTE_NS)
            while limit_ns / MINUTE_NS < minutes:
                limit_ns += 1  # Rounded down it would be looked at before it is there, once.
            heappush(self._heap, (self._last[channel] + limit_ns, channel))

    def snapshot(self) -> dict[int, int]:
        """When each point was last known, ns."""
        return {self._point[channel]: last for channel, last in self._last.items()}

    def restore(self, last: Mapping[int, int]) -> None:
        """The reverse of `snapshot`; points without a clock are passed over."""
        for point, at in last.items():
            if point in self.of:
                self._last[self.of[point]] = at
                self._plan(self.of[point])
