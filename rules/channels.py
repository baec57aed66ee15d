"""The channels: what each point last read, whether it can be seen, and when it becomes stale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.compile import NEVER
from parkwatch.rules.kernel import BLIND, FAULTY
from parkwatch.rules.quality import BAD_COMMS, BAD_FAULT, BAD_STALE, READING, Reading
from parkwatch.rules.site import Site

OVER, UNDER = 1.2, 0.1
"""More than 1.2 times full scale, or more than 10 % of the span below it, is no measurement."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Readings of one moment, no point twice; `beyond`: more than 1.2 times full scale."""

    point: NDArray[np.int32]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]
    time: NDArray[np.int64]
    beyond: NDArray[np.bool_]


def segments(
    point: NDArray[np.int32], received: NDArray[np.int64], keep: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    """Runs of one `received` in which no point comes twice: each is judged in one go.

    `keep` are the positions to judge; together the runs are `keep`, in its order.
    """
    if len(keep) < 2:
        return [keep] if len(keep) else []
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


class Channels:
    """Columns over the points: latest reading, and what follows from it without any limit.

    `healthy`: the detector witnesses, or was not seen since the start and is not stale yet;
    `stale_due` engine time in ns, NEVER once it is stale.
    """

    def __init__(self, site: Site, now: int) -> None:
        n = len(site.points)
        self.values: NDArray[np.float64] = np.full(n, np.nan)
        self.qualities: NDArray[np.uint8] = np.full(n, BAD_COMMS, dtype=np.uint8)
        self.times: NDArray[np.int64] = np.zeros(n, dtype=np.int64)
        self.receiveds: NDArray[np.int64] = np.zeros(n, dtype=np.int64)
        self.healthy: NDArray[np.bool_] = np.ones(n, dtype=np.bool_)
        self.beyond: NDArray[np.bool_] = np.zeros(n, dtype=np.bool_)
        self._stale_ns = np.array([p.stale_ns for p in site.points], dtype=np.int64)
        self._low = np.array([p.low for p in site.points], dtype=np.float64)
        self._span = np.array([p.span for p in site.points], dtype=np.float64)
        self.stale_due: NDArray[np.int64] = now + self._stale_ns

    def columns(
        self,
        point: NDArray[np.int32],
        value: NDArray[np.float64],
        quality: NDArray[np.uint8],
        time: NDArray[np.int64],
    ) -> Columns:
        """Readings as they are judged: what no sensor of the range can mean is a fault.

        Such a value is neither gas nor its absence (contracts.md, Out of range).
        """
        judged = READING[quality] == Reading.EVALUATE
        nan = np.isnan(value)
        low, span = self._low[point], self._span[point]
        sure = np.where(nan, low, value)
        beyond = judged & (sure > low + OVER * span)
        broken = beyond | (judged & (nan | (sure < low - UNDER * span)))
        if broken.any():
            quality = np.where(broken, np.uint8(BAD_FAULT), quality)
        return Columns(point, np.where(BLIND[quality], np.nan, value), quality, time, beyond)

    def news(self, read: Columns) -> NDArray[np.bool_]:
        """(n,) which readings change health or the kind of a fault, or lie beyond full scale."""
        point = read.point
        swayed = self.healthy[point] == BLIND[read.quality]
        other = FAULTY[read.quality] & (read.quality != self.qualities[point])
        found: NDArray[np.bool_] = swayed | other | read.beyond
        return found

    def take(self, read: Columns, part: slice, now: int) -> None:
        """Keep readings that change nothing else."""
        point = read.point[part]
        self.values[point] = read.value[part]
        self.qualities[point] = read.quality[part]
        self.times[point] = read.time[part]
        self.beyond[point] = read.beyond[part]
        self.receiveds[point] = now
        self.stale_due[point] = now + self._stale_ns[point]

    def take_one(self, read: Columns, at: int, now: int) -> None:
        """Keep one reading: the same as `take` of one, without the cost of arrays."""
        point = read.point[at]
        self.values[point] = read.value[at]
        self.qualities[point] = read.quality[at]
        self.times[point] = read.time[at]
        self.beyond[point] = read.beyond[at]
        self.receiveds[point] = now
        self.stale_due[point] = now + self._stale_ns[point]

    def stale(self, due: int) -> list[int]:
        """Points whose bound is over, in order of index."""
        found: list[int] = np.flatnonzero(self.stale_due <= due).tolist()
        return found

    def lose(self, point: int) -> None:
        """A point became stale; when it was last received stays known."""
        self.values[point] = np.nan
        self.qualities[point] = BAD_STALE
        self.beyond[point] = False
        self.stale_due[point] = NEVER

    def watch(self, points: list[int], now: int) -> None:
        """Give points their whole bound again."""
        self.stale_due[points] = now + self._stale_ns[points]

    def finite(self, point: int) -> float | None:
        """The value of a point, None where there is none to show."""
        value = float(self.values[point])
        return value if np.isfinite(value) else None
