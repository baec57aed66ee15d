"""Before a reading is judged: what belongs together, and what no sensor of the range can mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.quality import BAD_FAULT, READING, Reading
from parkwatch.rules.site import Site

OVER, UNDER = 1.2, 0.1
"""More than 1.2 times full scale, or more than 10 % of the span below it, is no measurement."""


def segments(
    point: NDArray[np.int32], received: NDArray[np.int64], keep: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    """Runs of one `received` in which no point comes twice: each is judged in one go.

    `keep` are the positions to judge; together the runs are `keep`, in its order.
    """
    if not len(keep):
        return []
    kept, stamps = point[keep], received[keep]
    if (stamps == stamps[0]).all() and len(np.unique(kept)) == len(kept):
        return [keep]
    runs: list[list[int]] = []
    seen: set[int] = set()
    for i in keep.tolist():  # Rare: a burst, or one point twice in a batch.
        if not runs or received[i] != received[runs[-1][0]] or int(point[i]) in seen:
            runs.append([])
            seen = set()
        runs[-1].append(i)
        seen.add(int(point[i]))
    return [np.array(run, dtype=np.int64) for run in runs]


class Ranges:
    """The points' ranges as columns."""

    def __init__(self, site: Site) -> None:
        self._low = np.array([p.low for p in site.points], dtype=np.float64)
        self._span = np.array([p.span for p in site.points], dtype=np.float64)

    def requalify(
        self, points: NDArray[np.int32], value: NDArray[np.float64], quality: NDArray[np.uint8]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """(n,) quality, a fault where the value means nothing, and the points beyond full scale.

        Such a value is neither gas nor its absence (contracts.md, Out of range).
        """
        judged = READING[quality] == Reading.EVALUATE
        low, span = self._low[points], self._span[points]
        with np.errstate(invalid="ignore"):
            beyond = judged & (value > low + OVER * span)
            below = judged & (value < low - UNDER * span)
        broken = beyond | below | (judged & np.isnan(value))
        if not broken.any():
            return quality, points[:0]
        return np.where(broken, np.uint8(BAD_FAULT), quality), points[beyond]
