"""Runs of readings of one moment in which no point comes twice: each is judged in one go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Segment:
    """Positions in a batch, and how many readings of unknown points were left out."""

    at: NDArray[np.int64]
    dropped: int = 0


class Segments:
    """Cuts batches over `n` points; `mark` (n,) is scratch."""

    def __init__(self, n: int, mark: NDArray[np.int32]) -> None:
        self._n = n
        self._mark = mark

    def of(
        self, point: NDArray[np.int32], received: NDArray[np.int64]
    ) -> tuple[bool, list[Segment]]:
        """The runs, together the batch in its order; True where one run is the whole batch."""
        count = len(point)
        if not count:
            return True, []
        known = point.view(np.uint32) < self._n
        every = bool(known.all())
        keep = np.arange(count) if every else np.flatnonzero(known)
        if not len(keep):
            return False, []
        kept = point if every else point[keep]
        stamps = received if every else received[keep]
        if (stamps == stamps[0]).all() and self._unique(kept):
            return every, [Segment(keep)]
        return False, self._cut(kept, stamps, keep)

    def _unique(self, point: NDArray[np.int32]) -> bool:
        if (point[1:] > point[:-1]).all():
            return True
        order = np.arange(len(point), dtype=np.int32)
        self._mark[point] = order
        return bool((self._mark[point] == order).all())

    def _cut(
        self, point: NDArray[np.int32], received: NDArray[np.int64], keep: NDArray[np.int64]
    ) -> list[Segment]:
        """Rare: a burst, or one point twice in a batch."""
        runs: list[list[int]] = []
        seen: set[int] = set()
        last = None
        for where, one, stamp in zip(keep.tolist(), point.tolist(), received.tolist(), strict=True):
            if stamp != last or one in seen:
                runs.append([])
                seen = set()
            runs[-1].append(where)
            seen.add(one)
            last = stamp
        return [Segment(np.array(run, dtype=np.int64)) for run in runs]
