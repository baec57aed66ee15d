"""The disk under the data folder: what its free space decides. History stops first, the journal
goes on; the reserve is given up last and made again first."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

LOW, NO_HISTORY, LAST = 0.10, 0.05, 0.02
"""Shares of the disk: below them it is low, history stops, the reserve is released."""
FLOORS = (512 << 20, 256 << 20, 96 << 20)
"""Bytes of the same three: a small disk is short of space at a larger share."""
FLOOR_TIMES_MAX = 2
"""No floor asks for more than that many times its share."""
AGAIN = 1.2
"""So much more than a limit has to be free before what it ended begins again."""


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes that may still be written, and bytes of the whole disk."""

    free: int
    total: int

    def below(self, share: float, floor: int, *, was: bool) -> bool:
        """Whether less than the share or the floor is left; ends only with some more."""
        asked = share * self.total
        limit = max(asked, min(floor, FLOOR_TIMES_MAX * asked))
        return self.free < limit * (AGAIN if was else 1.0)


@dataclass(frozen=True, slots=True)
class Shortage:
    """What is short: the alarm, history, the reserve."""

    low: bool = False
    history: bool = False
    reserve: bool = False


def space(folder: Path) -> Space:
    """What statvfs says; OSError where the disk does not answer."""
    found = os.statvfs(folder)
    return Space(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


def judge(found: Space, before: Shortage, reserve: int = 0) -> Shortage:
    """What follows from the space that is there; `reserve`: bytes that the reserve would take
    again."""
    low, history, last = FLOORS
    return Shortage(
        low=found.below(LOW, low, was=before.low),
        history=found.below(NO_HISTORY, history, was=before.history),
        reserve=Space(found.free - (reserve if before.reserve else 0), found.total).below(
            LAST, last, was=before.reserve
        ),
    )
