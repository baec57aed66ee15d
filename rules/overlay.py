"""Readings of detectors whose verification, calibration or bump test has run out: doubtful from
then on. A doubtful value still alarms; it is shown, kept and journaled as what it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from parkwatch.rules import due
from parkwatch.rules.batch import DRILL, Batch
from parkwatch.rules.quality import GOOD, UNCERTAIN, Reason
from parkwatch.rules.site import Point

OVERDUE = UNCERTAIN | Reason.DOUBTFUL
_NEVER = np.iinfo(np.int64).max


class Lapsed:
    """When each point falls overdue; `tested`: engine time (ns) of the newest bump test that a
    point passed, 0 where there is none."""

    def __init__(self, points: Sequence[Point], tested: Callable[[Point], int]) -> None:
        ends = [
            min((day.over for day in due.standing(point, tested(point))), default=_NEVER)
            if point.dues else _NEVER
            for point in points
        ]  # fmt: skip
        self._at = np.array(ends, dtype=np.int64)
        self._first = min(ends, default=_NEVER)

    def take(self, batch: Batch) -> Batch:
        """The batch as the rules and the history are to see it: what is good of a detector that is
        overdue is doubtful; one that holds nothing of the kind is itself."""
        if not len(batch) or batch.origin.startswith(DRILL):
            return batch
        if int(batch.received.max()) < self._first:
            return batch
        known = (batch.point >= 0) & (batch.point < len(self._at))
        ends = self._at[np.where(known, batch.point, 0)]
        doubted = known & (ends <= batch.received) & (batch.quality == GOOD)
        if not doubted.any():
            return batch
        return replace(batch, quality=np.where(doubted, np.uint8(OVERDUE), batch.quality))
