"""A park for the group `rules`, and what its points read, as columns and as plain lists.

Every point has three limits, a range, a staleness bound and the channel's own fault. It is read
once a second, by however many batches: a batch of all points moves time by 1 s, one of a hundredth
of them by 10 ms. So a reading means the same work whatever the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.batch import Batch
from parkwatch.rules.grade import Grade
from parkwatch.rules.quality import BAD_COMMS, GOOD, UNCERTAIN, Reason
from parkwatch.rules.site import SECOND_NS, Device, Limit, Point, Site, Zone

S = SECOND_NS
T0 = 1_000_000 * S
HIGH, HIGH_2, LOW, DEADBAND = 60.0, 80.0, 10.0, 2.0
POINTS_A_DEVICE = 1_000

# Of 10,000 readings one begins an excursion, which lasts 100: 1 % are beyond a limit. At one
# reading a second that is a flood by any standard (EEMUA 191: 10 alarms in 10 minutes).
BEGINS, ENDS = 1e-4, 1e-2
BREAKS, HEALS = 2e-5, 2e-2
NOISE, RESOLUTION = 1.0, 1
FAULTS = np.array(
    [BAD_COMMS, GOOD, GOOD, UNCERTAIN | Reason.OVER_RANGE, UNCERTAIN | Reason.UNDER_RANGE], np.uint8
)
FAULT_VALUES = np.array([np.nan, np.nan, 130.0, 100.0, 0.0])
"""Comms lost; a NaN that says good; more than 1.2 times full scale; declared over and under."""


def park_of(n: int, limits_of: Callable[[int], Iterable[Limit]]) -> Site:
    """`n` points of one kind in one zone, a thousand to a device."""
    points: list[Point] = []
    limits: list[Limit] = []
    devices = {f"hd/d-{d}": Device(f"hd/d-{d}", "hd") for d in range(-(-n // POINTS_A_DEVICE))}
    for i in range(n):
        device = f"hd/d-{i // POINTS_A_DEVICE}"
        points.append(
            Point(f"{device}/p-{i}", i, f"P-{i}", "hd", device, "hd/z", "kPa", kind="pressure")
        )
        limits += limits_of(i)
    return Site(points, {"hd/z": Zone("hd/z", "hd", "z")}, devices, limits)


def site(n: int) -> Site:
    """`n` points of three limits each."""
    return park_of(
        n,
        lambda i: (
            Limit(i, "high", 1, "high", HIGH, Grade.YELLOW, DEADBAND, 3 * S, 10 * S),
            Limit(i, "high", 2, "high", HIGH_2, Grade.ORANGE, DEADBAND, S, 30 * S, latch=True),
            Limit(i, "low", 1, "low", LOW, Grade.YELLOW, DEADBAND, 5 * S, 10 * S),
        ),
    )


@dataclass(frozen=True, slots=True)
class Readings:
    """One batch of one moment, for us and for a plain loop: neither converts in the timed part."""

    batch: Batch
    plain: tuple[list[int], list[float], list[int], list[int], int]

    @classmethod
    def of(
        cls, point: NDArray[np.int32], value: NDArray[np.float64], quality: NDArray[np.uint8],
        received: int, time: NDArray[np.int64] | None = None,
    ) -> Readings:  # fmt: skip
        stamps = np.full(len(point), received, np.int64)
        time = stamps if time is None else time
        plain = (point.tolist(), value.tolist(), quality.tolist(), time.tolist(), received)
        return cls(Batch(point, value, quality, time, stamps), plain)

    def __len__(self) -> int:
        return len(self.batch)


class Series:
    """What `n` points read, batch after batch, without end. `beyond` and `read` count readings."""

    def __init__(self, n: int, seed: int = 7) -> None:
        self.n = n
        self.now = T0
        self.read = self.beyond = 0
        self._random = np.random.default_rng(seed)
        self._calm = self._random.uniform(25, 45, n)
        self._away = self._random.random(n) < BEGINS / (BEGINS + ENDS)
        self._centre = np.where(self._away, self._excursion(n), self._calm)
        broken = self._random.random(n) < BREAKS / (BREAKS + HEALS)
        self._fault = np.where(broken, self._random.integers(0, len(FAULTS), n), -1)
        self._at = 0
        self._shuffled = np.zeros(0, np.int32)

    def contiguous(self, size: int, batches: int) -> list[Readings]:
        """The next batches of points in their order, round and round."""
        return [self._take(points) for points in self._runs(size, batches)]

    def shuffled(self, size: int, batches: int) -> list[Readings]:
        """The next batches of points in an order by chance, each point once in a round."""
        made = []
        for _ in range(batches):
            if not len(self._shuffled):
                self._shuffled = self._random.permutation(self.n).astype(np.int32)
            points, self._shuffled = self._shuffled[:size], self._shuffled[size:]
            made.append(self._take(points))
        return made

    def silence(self, seconds: int) -> None:
        """Nothing is read for a while."""
        self.now += seconds * S

    def _runs(self, size: int, batches: int) -> Iterator[NDArray[np.int32]]:
        for _ in range(batches):
            end = min(self._at + size, self.n)
            yield np.arange(self._at, end, dtype=np.int32)
            self._at = end % self.n

    def _take(self, points: NDArray[np.int32]) -> Readings:
        n, random = len(points), self._random
        self.now += S * n // self.n
        chance, away = random.random(n), self._away[points]
        begins, ends = ~away & (chance < BEGINS), away & (chance < ENDS)
        if begins.any():
            self._away[points[begins]] = True
            self._centre[points[begins]] = self._excursion(int(begins.sum()))
        if ends.any():
            self._away[points[ends]] = False
            self._centre[points[ends]] = self._calm[points[ends]]
        value = np.round(self._centre[points] + random.normal(0, NOISE, n), RESOLUTION)
        quality = np.where(points % 64 == 0, UNCERTAIN | Reason.CLOCK, GOOD).astype(np.uint8)
        chance = random.random(n)
        broken = self._fault[points] >= 0
        breaks = ~broken & (chance < BREAKS)
        self._fault[points[breaks]] = random.integers(0, len(FAULTS), int(breaks.sum()))
        self._fault[points[broken & (chance < HEALS)]] = -1
        self.read += n
        self.beyond += int(((value >= HIGH) | (value <= LOW)).sum())
        fault = self._fault[points]
        at = np.flatnonzero(fault >= 0)
        value[at], quality[at] = FAULT_VALUES[fault[at]], FAULTS[fault[at]]
        time = self.now - random.integers(0, S // 20, n)
        return Readings.of(points, value, quality, self.now, time)

    def _excursion(self, n: int) -> NDArray[np.float64]:
        """Around which value: above level 1 (some just there), above level 2, below the low one."""
        kinds = self._random.random(n)
        one, two, low = (self._random.uniform(*span, n) for span in ((58, 76), (84, 96), (3, 7)))
        return np.where(kinds < 0.6, one, np.where(kinds < 0.85, two, low))


def every(n: int, value: float | NDArray[np.float64], received: int) -> Readings:
    """One good reading of each of `n` points."""
    points = np.arange(n, dtype=np.int32)
    values = np.broadcast_to(np.asarray(value, np.float64), (n,)).copy()
    return Readings.of(points, values, np.zeros(n, np.uint8), received)


UP, DOWN = frozenset({"raise", "reraise", "rise"}), frozenset({"fall", "return"})


def told(transitions: Sequence[Any]) -> list[tuple[int, str, bool]]:
    """Transitions of the engine as the references tell theirs."""
    assert all(t.event in UP or t.event in DOWN for t in transitions)
    return [(t.received, t.alarm, t.event in UP) for t in transitions]
