"""Grades of alarms: red, orange, yellow, blue, in this order of urgency."""

from __future__ import annotations

from enum import StrEnum


class Grade(StrEnum):
    RED = "red"
    ORANGE = "orange"
    YELLOW = "yellow"
    BLUE = "blue"

    @property
    def urgency(self) -> int:
        """4 for red down to 1 for blue."""
        return _URGENCY[self]


_URGENCY = {Grade.RED: 4, Grade.ORANGE: 3, Grade.YELLOW: 2, Grade.BLUE: 1}


def highest(*grades: Grade) -> Grade:
    """The most urgent of some grades (at least one)."""
    return max(grades, key=lambda grade: grade.urgency)
