"""The field: 200 signals at 1 Hz, most of them quiet, some of them climbing through their set
points, stuck, broken or gone; what it read is handed over in batches, and remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import nan

import numpy as np
from sim import ground
from sim.chance import Chance, S

from parkwatch.rules.batch import LATE, LIVE, Batch
from parkwatch.rules.quality import BAD, GOOD, UNCERTAIN, Reason

QUIET = 5.0
LATE_HIGH = 3
"""So many points of a backlog were at level 2: each is one event that people have to take."""
QUALITIES = (
    BAD | Reason.FAULT, BAD | Reason.COMMS, BAD | Reason.CALIBRATING, BAD | Reason.OVER_RANGE,
    BAD | Reason.UNDER_RANGE, UNCERTAIN | Reason.UNDER_RANGE, UNCERTAIN | Reason.DOUBTFUL,
    UNCERTAIN | Reason.CLOCK, BAD | Reason.WARMING_UP,
)  # fmt: skip
Row = tuple[int, float, int, int]
"""Point, value, quality, received (engine time, ns)."""


@dataclass(slots=True)
class Episode:
    """What happens to one point from second `begin` on, as (seconds, value) corners of a line."""

    point: int
    begin: int
    corners: tuple[tuple[float, float], ...]

    @property
    def end(self) -> float:
        return self.begin + self.corners[-1][0]

    def value(self, second: int) -> float:
        at = second - self.begin
        for (t0, v0), (t1, v1) in zip(self.corners, self.corners[1:], strict=False):
            if at <= t1:
                return v0 + (v1 - v0) * (at - t0) / (t1 - t0)
        return QUIET


class Plant:
    """`batches(second)` gives all that was read since the last call, up to that second."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._rng = chance.stream("plant")
        self._noise = np.random.default_rng(chance.seed)
        self._done = 0
        self._episodes: dict[int, Episode] = {}
        self._odd: dict[int, tuple[int, int, float]] = {}
        """Point to (until second, quality, value) of a quality fault, or of a stuck value."""
        self._gone: dict[int, int] = {}
        """Silent points, until which second."""
        self.down: dict[str, int] = {}
        """Devices whose link is down, until which second."""
        self._index = np.arange(ground.POINTS, dtype=np.int32)
        self._device = self._index // ground.EACH
        self._lively = [*ground.gas_points()[::2], *ground.plain_points()]
        self._calm = False
        self._rate = self._rng.choice((0.003, 0.006, 0.015))

    def heal(self, second: int) -> None:
        """Everything works again, and goes back to normal within some seconds."""
        self._calm = True
        for events in (self._odd, self._gone, self._episodes):
            events.clear()
        self.down = dict.fromkeys(self.down, second)

    # What happens ----------------------------------------------------------------------------

    def _live_a_second(self, second: int) -> None:
        rng, chance = self._rng, self._chance
        for events in (self._odd, self._gone):
            for point in [
                p for p, e in events.items() if (e if isinstance(e, int) else e[0]) <= second
            ]:
                del events[point]
        for point in [p for p, e in self._episodes.items() if e.end <= second]:
            del self._episodes[point]
        dice = rng.random()
        if self._calm or dice > 0.05:
            return
        point = rng.choice(self._lively)
        if dice < self._rate and point not in self._episodes:
            self._episodes[point] = Episode(point, second, tuple(self._shape()))
            zone = point // ground.EACH
            if rng.random() < 0.3 and point in ground.gas_points():
                near = zone * ground.EACH + rng.randrange(ground.GASES)
                self._episodes.setdefault(near, Episode(near, second, tuple(self._shape())))
        elif 0.02 < dice < 0.03:
            # Interesting points are the ones whose condition holds or whose delay runs.
            point = rng.choice([*self._episodes] or self._lively)
            self._break(point, second)
        elif 0.03 < dice < 0.0315 and chance.hits("silent_loss", rng, 0.5):
            device = rng.randrange(ground.DEVICES)
            for p in range(device * ground.EACH, (device + 1) * ground.EACH):
                self._gone[p] = second + rng.randrange(5, 60)

    def _break(self, point: int, second: int) -> None:
        rng, chance = self._rng, self._chance
        until = second + rng.choice((1, 2, 5, 9, 10, 11, 20, 60))
        quality, kind = rng.choice(QUALITIES), rng.random()
        if kind < 0.35:
            if chance.hits("bad_quality", rng, 1.0):
                self._odd[point] = (until, quality, nan if quality & BAD else -1.0)
        elif kind < 0.5:
            if chance.hits("nan", rng, 1.0):
                self._odd[point] = (until, GOOD, nan)
        elif kind < 0.75:
            if chance.hits("dropouts", rng, 1.0):
                self._gone[point] = until
        elif chance.hits("stuck", rng, 1.0):
            at = self._episodes[point].value(second) if point in self._episodes else QUIET
            self._odd[point] = (until + 60, GOOD, at)

    def _shape(self) -> Iterator[tuple[float, float]]:
        """Up through the set points and down again, with dwells, dips and spikes."""
        rng = self._rng
        at, value = 0.0, QUIET
        yield at, value
        for _ in range(rng.randrange(1, 5)):
            at += rng.choice((1, 2, 5, 15, 40))
            value = rng.choice((20.0, 26.0, 40.0, 55.0, 74.9, 75.0, 78.0, 80.0, 81.0, 95.0, 95.0))
            yield at, value
            if rng.random() < 0.7:
                at += rng.choice((1, 2, 3, 4, 10, 14, 15, 16, 30, 59, 61, 90, 300))
                yield at, value
        at += rng.choice((1, 2, 10, 30))
        yield at, QUIET

    # Readings ----------------------------------------------------------------------------------

    def batches(self, second: int, stamp: Callable[[int], int]) -> list[Batch]:
        """What was read after the last call up to and with `second`; `stamp` gives engine time."""
        found = []
        while self._done < second:
            self._done += 1
            self._live_a_second(self._done)
            batch = self._second(self._done, stamp(self._done))
            found += [batch, *self._again(batch)]
        return found

    def skip(self, second: int) -> None:
        """Nobody listens: it goes on unseen."""
        while self._done < second:
            self._done += 1
            self._live_a_second(self._done)

    def _second(self, second: int, stamp: int) -> Batch:
        values = QUIET + self._noise.random(ground.POINTS)
        quality = np.zeros(ground.POINTS, dtype=np.uint8)
        for point, episode in self._episodes.items():
            values[point] = episode.value(second)
        for point, (_, mark, value) in self._odd.items():
            quality[point] = mark
            if value != -1.0:
                values[point] = value
        point = self._index
        if self._gone or self.down:
            seen = np.ones(ground.POINTS, dtype=np.bool_)
            seen[list(self._gone)] = False
            for device in self.down:
                seen[self._device == int(device.rpartition("-")[2])] = False
            point, values, quality = point[seen], values[seen], quality[seen]
        times = np.full(len(point), second * S, dtype=np.int64)
        received = np.full(len(point), stamp, dtype=np.int64)
        return Batch(point, values, quality, times, received, LIVE, driver="mqtt")

    def _again(self, batch: Batch) -> list[Batch]:
        """A duplicate of the last readings, or a backlog of old ones that is marked as such."""
        rng, chance = self._rng, self._chance
        out = []
        if len(batch) and chance.hits("duplicates", rng, 0.01):
            out.append(batch)
        if len(batch) and chance.hits("late", rng, 0.01):
            high = np.full(len(batch), 1.0)
            high[:LATE_HIGH] = 99.0
            columns = (batch.quality, batch.time, batch.received)
            out.append(Batch(batch.point, high, *columns, LATE, driver="mqtt"))
        return out

    # Links -------------------------------------------------------------------------------------

    def links(self, second: int) -> list[tuple[str, bool]]:
        """Links that go down (True) or come up (False) in this second."""
        rng = self._rng
        out = [(device, False) for device, until in self.down.items() if until <= second]
        for device, _ in out:
            del self.down[device]
        if not self._calm and self._chance.hits("link_loss", rng, 0.004):
            number = rng.randrange(ground.DEVICES)
            device = f"{'hd' if number < ground.DEVICES // 2 else 'bh'}/panel-{number}"
            if device not in self.down:
                self.down[device] = second + rng.choice((2, 8, 15, 40, 120))
                out.append((device, True))
        return out
