"""What is essential: red, gas level 2, ESD trip, extreme low level, flame failure.

It may never be shelved, switched off by a plant state, or suppressed without a signed override.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from parkwatch.rules.grade import Grade
from parkwatch.rules.measures import Formula
from parkwatch.rules.site import Limit, Point

SECOND_LEVEL = 2


class Level(Protocol):
    """A level of an alarm group: a `Limit`, or a rule as it is written."""

    @property
    def level(self) -> int:
        """1 and up, further from normal."""

    @property
    def grade(self) -> str:
        """`red`, `orange`, `yellow` or `blue`."""

    @property
    def group(self) -> str:
        """The alarm's group."""

    @property
    def latch(self) -> bool:
        """Whether reaching it latches the alarm."""


def is_essential(level: Level, points: Iterable[Point]) -> bool:
    """Whether a level may never be masked; `points` it guards (of a zone's rule all it looks at).

    Oxygen's enrichment is a level 2 too; a latched state is a trip or a flame failure, a second
    low level of a `level` the extreme one.
    """
    guarded = list(points)
    if level.grade == Grade.RED:
        return True
    if level.level >= SECOND_LEVEL and any(point.gas for point in guarded):
        return True
    if level.latch and any(point.kind == "state" for point in guarded):
        return True
    extreme = level.group == "low" and level.level >= SECOND_LEVEL
    return extreme and any(point.kind == "level" for point in guarded)


def guarded_by(limit: Limit, points: list[Point]) -> list[Point]:
    """The points that a limit guards: the one that owns its alarm, else all of its formula."""
    if limit.point >= 0:
        return [points[limit.point]]
    measure = limit.measure
    return [points[index] for index in measure.points] if isinstance(measure, Formula) else []
