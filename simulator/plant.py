"""The demo plant: one numpy state block for all signals, stepped at a fixed dt, seeded per point.

A leak is a cloud with first-order mixing; a detector sees its share of it after a travel time,
through a lag that is slower when it falls, plus noise and a slow wander, cut to its range and
rounded to its resolution (simulator.md 1.2, 1.4). Equal seeds give equal truth, and a point that
is added shifts no other's noise: every point has a Philox stream of its own.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parkwatch.simulator.layout import (
    GASES,
    LEAK_END_S,
    LEAK_PERIOD_S,
    LEAK_START_S,
    Shape,
    Signal,
)

STEPS_PER_S = 10
DT_S = 1.0 / STEPS_PER_S
MIXING_TAU_S = 1.5
LEAK_LEVEL, LEAK_GROWTH_PER_S, LEAK_LEVEL_MAX = 40.0, 1.5, 75.0
FALL_SLOWER = 2.5
TRAVEL_STEPS_MAX = 300
WANDER_TAU_S = 60.0
NOISE_S = 60
TRUTH_MAX = 10_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Truth:
    """Something that really happened, at plant time: what a scorer compares the journal with.

    `event`: `leak`, `leak_end`, `al1_true`, `al2_true`; `point` empty for the leak itself.
    """

    at_s: float
    event: str
    point: str = ""
    value: float = 0.0


class Noise:
    """Standard normal noise per point and second, two streams: (2, n) each second.

    Drawn in blocks of a minute from one Philox generator per point, keyed by (seed, point id).
    """

    def __init__(self, ids: Sequence[str], seed: int) -> None:
        keys = [int.from_bytes(hashlib.sha256(i.encode()).digest()[:8]) for i in ids]
        self._generators = [
            np.random.Generator(np.random.Philox(key=np.array([seed, key], np.uint64)))
            for key in keys
        ]
        self._block: Floats = np.empty((0, 2, len(ids)))
        self._used = 0

    def second(self) -> Floats:
        """The next (2, n)."""
        if self._used == len(self._block):
            # One draw per point and minute: the streams must stay independent of each other.
            drawn = [g.standard_normal((NOISE_S, 2)) for g in self._generators]
            self._block, self._used = np.stack(drawn, axis=-1), 0
        now: Floats = self._block[self._used]
        self._used += 1
        return now


class Plant:
    """`shown` (n,) float64: what the instruments show now, in engineering units, in the order of
    `signals`. `step()` goes on by `DT_S`; the state before the first step is the one at 0 s."""

    def __init__(self, signals: Sequence[Signal], seed: int) -> None:
        self.signals = tuple(signals)
        self.steps = 0
        self.truth: deque[Truth] = deque(maxlen=TRUTH_MAX)
        self._noise = Noise([s.full_id for s in signals], seed)
        self._hash = hashlib.sha256(str(seed).encode())
        self._compile()
        self._cloud = 0.0
        self._trail: Floats = np.zeros(TRAVEL_STEPS_MAX)
        n = len(self.signals)
        self._response: Floats = np.zeros(n)
        self._wander: Floats = np.zeros(n)
        self._jitter: Floats = np.zeros(n)
        self._above: NDArray[np.int8] = np.zeros(n, np.int8)
        self._breathe()
        self.shown: Floats = self._show()

    def _compile(self) -> None:
        signals = self.signals
        self._base = _column([s.base for s in signals])
        self._sigma = _column([s.sigma for s in signals])
        self._low = _column([s.low for s in signals])
        self._high = _column([s.high for s in signals])
        self._resolution = _column([s.resolution for s in signals])
        self._share = _column([s.leaked.share for s in signals])
        self._tau = _column([s.leaked.tau_s for s in signals])
        self._travel = np.array(
            [round(s.leaked.delay_s * STEPS_PER_S) for s in signals], dtype=np.int64
        )
        assert not len(signals) or self._travel.max() < TRAVEL_STEPS_MAX
        self._beats = np.array([s.shape is Shape.HEARTBEAT for s in signals])
        gases = [GASES.get(s.gas) for s in signals]
        self._sign = _column([-1.0 if g and g.falls else 1.0 for g in gases])
        self._al1 = self._sign * _column([g.al1 if g else math.nan for g in gases])
        self._al2 = self._sign * _column([g.al2 if g else math.nan for g in gases])

    @property
    def time_s(self) -> float:
        """Plant time: 0 before the first step."""
        return self.steps / STEPS_PER_S

    def step(self) -> None:
        """Go on by `DT_S`."""
        before = leaking(self.time_s)
        self.steps += 1
        self._leak()
        if self.steps % STEPS_PER_S == 0:
            self._breathe()
        self.shown = self._show()
        self._note(before=before)
        self._hash.update(self.shown.tobytes())

    def truth_hash(self) -> str:
        """SHA-256 over everything shown so far and the seed."""
        return self._hash.hexdigest()

    def _leak(self) -> None:
        source = leak_source(self.time_s)
        self._cloud += (source - self._cloud) * (1 - math.exp(-DT_S / MIXING_TAU_S))
        self._trail[self.steps % TRAVEL_STEPS_MAX] = self._cloud
        seen = self._share * self._trail[(self.steps - self._travel) % TRAVEL_STEPS_MAX]
        tau = np.where(seen > self._response, self._tau, self._tau * FALL_SLOWER)
        self._response += (seen - self._response) * -np.expm1(-DT_S / tau)

    def _breathe(self) -> None:
        """Once a second: new noise, and the slow wander of the process (as wide as the noise)."""
        jitter, push = self._noise.second()
        self._jitter = self._sigma * jitter
        keep = math.exp(-1.0 / WANDER_TAU_S)
        self._wander = keep * self._wander + self._sigma * math.sqrt(1 - keep * keep) * push

    def _show(self) -> Floats:
        value = self._base + self._response + self._wander + self._jitter
        value = np.where(self._beats, self.steps // STEPS_PER_S % 65536, value)
        steps = np.rint(np.clip(value, self._low, self._high) / self._resolution)
        return np.asarray(np.round(steps * self._resolution, 6), dtype=np.float64)

    def _note(self, *, before: bool) -> None:
        """Write down what became true: the leak, and each level of each detector."""
        now = leaking(self.time_s)
        if now != before:
            self.truth.append(Truth(self.time_s, "leak" if now else "leak_end"))
        value = self._sign * self.shown
        above = (value >= self._al1).astype(np.int8) + (value >= self._al2)
        # A loop over the few that rose, not over the points.
        for i in np.flatnonzero(above > self._above):
            for level in range(self._above[i] + 1, above[i] + 1):
                signal = self.signals[i]
                event = f"al{level}_true"
                self.truth.append(Truth(self.time_s, event, signal.full_id, float(self.shown[i])))
        self._above = above


def _column(values: list[float]) -> Floats:
    return np.array(values, dtype=np.float64)


def leaking(time_s: float) -> bool:
    """Whether the scripted leak runs at this plant time."""
    return LEAK_START_S <= time_s % LEAK_PERIOD_S < LEAK_END_S


def leak_source(time_s: float) -> float:
    """What the cloud tends to, in %LEL at detector A: a jet at once, then growing to a plateau."""
    if not leaking(time_s):
        return 0.0
    age_s = time_s % LEAK_PERIOD_S - LEAK_START_S
    return min(LEAK_LEVEL_MAX, LEAK_LEVEL + LEAK_GROWTH_PER_S * age_s)
