"""What a condition compares with its limit: by default the value of its point, else one of these.

A measure gives a number or NaN; NaN is UNKNOWN. So limits, rates, forecasts, exposures, votes of an
expression and clocks share one comparison, one deadband, one pair of delays and one state.
"""

from __future__ import annotations

from dataclasses import dataclass

from parkwatch.rules.expression import Program


@dataclass(frozen=True, slots=True)
class Formula:
    """An expression over points; `points` are their indices, in the order of `program.names`.

    Over-range enters as +inf and under-range as -inf, what is UNKNOWN as NaN. It is evaluated when
    all readings of one moment are in. A condition compares its result (booleans are 1 and 0).
    """

    program: Program
    points: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slope:
    """Robust slope (Theil-Sen over 12 parts of the window), unit of the point per minute."""

    point: int
    window_ns: int


@dataclass(frozen=True, slots=True)
class TimeTo:
    """Minutes until the fitted trend reaches `limit` on `side`; +inf where it never does.

    `guard`: so many standard errors of the slope are taken off before it is believed.
    """

    point: int
    window_ns: int
    limit: float
    side: str = "high"
    guard: float = 3.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Largest minus smallest value in the window, unit of the point (flatline: a low limit).

    Within `zero` of the range's low end a gas detector may rest for weeks: +inf, no flatline.
    """

    point: int
    window_ns: int
    zero: float = 0.0


@dataclass(frozen=True, slots=True)
class Changes:
    """How often a digital state changed in the window; with gaps at least so often."""

    point: int
    window_ns: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """Time-weighted average over the window (15 min: STEL, 8 h: TWA), unit of the point.

    Gaps: the dose that was seen, spread over the whole window, already counts (it can only have
    been more); below the limit the average over what was seen is known only where that is at least
    three quarters of the window.
    """

    point: int
    window_ns: int


@dataclass(frozen=True, slots=True)
class Age:
    """Minutes since the newest reading of a point whose value was known; +inf before the first
    (what was never tested is too old)."""

    point: int


@dataclass(frozen=True, slots=True)
class Apart:
    """How far a detector is from its zone: median distance of its window's means from the median
    of its `peers`, unit of the point; +inf where they moved and it did not. NaN with fewer than
    two peers to be seen."""

    point: int
    peers: tuple[int, ...]
    window_ns: int


Measure = Formula | Slope | TimeTo | Spread | Changes | Exposure | Age | Apart
