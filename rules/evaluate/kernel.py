"""Truth of conditions, and the guard of a channel: between which values nothing can change.

One meaning, in one place: `truth` judges one row. The vector path holds a batch against the guards
and says which readings change nothing; only the others reach `truth`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.evaluate.compile import FALSE, TRUE, UNKNOWN, Table
from parkwatch.rules.quality import BAD, READING, REASON_MASK, STATUS_MASK, Reading, Reason

EVALUATE = 3
"""Code beside FALSE, TRUE, UNKNOWN in the two tables below: the value decides."""

_PLANNED = frozenset({Reason.OUT_OF_SERVICE, Reason.CALIBRATING, Reason.WARMING_UP})


def _code(quality: int, side: Reading) -> int:
    """What a quality byte alone says of a condition of one side.

    A declared over- or under-range is TRUE for its own side. It clears the other side only where
    the byte does not call the reading bad: a bad reading neither raises nor clears.
    """
    reading = Reading(int(READING[quality]))
    if reading == Reading.EVALUATE:
        return EVALUATE
    if reading == side:
        return TRUE
    if reading == Reading.UNKNOWN or quality & STATUS_MASK >= BAD:
        return UNKNOWN
    return FALSE


_HIGH = [_code(q, Reading.HIGH) for q in range(256)]
_LOW = [_code(q, Reading.LOW) for q in range(256)]
_BLIND = [code == UNKNOWN for code in _HIGH]
_FAULTY = [blind and q & REASON_MASK not in _PLANNED for q, blind in enumerate(_BLIND)]
BLIND: NDArray[np.bool_] = np.array(_BLIND, dtype=np.bool_)
"""(256,) whether a detector with this quality byte is no witness of a high condition."""
FAULTY: NDArray[np.bool_] = np.array(_FAULTY, dtype=np.bool_)
"""(256,) whether the channel is at fault: blind, and nobody said that it would be."""
EVALUATED: NDArray[np.bool_] = READING == Reading.EVALUATE
"""(256,) whether the value decides."""
IS_BLIND, IS_FAULTY = tuple(_BLIND), tuple(_FAULTY)


def truth(table: Table, row: int, value: float, quality: int, *, least: bool = False) -> int:
    """Truth of one row for a value and quality byte of its channel.

    High: `>=`, low: `<=` (reached or exceeded, GB 12358-2024). A condition that holds stays TRUE
    until the value is at limit minus (plus) deadband. NaN is UNKNOWN, tested before comparing.
    `least`: the value is a lower bound: it can reach a high limit, and clears nothing.
    """
    at = table.at
    if at.fault[row]:
        return TRUE if _FAULTY[quality] else FALSE
    if at.off[row]:
        return FALSE
    code = _HIGH[quality] if at.high[row] else _LOW[quality]
    if code != EVALUATE:
        return code
    if math.isnan(value):
        return UNKNOWN
    limit, release = at.limit[row], at.release[row]
    if at.high[row]:
        true = value >= limit or (at.holds[row] and value > release)
    else:
        true = value <= limit or (at.holds[row] and value < release)
    if least and not (true and at.high[row]):
        return UNKNOWN
    return TRUE if true else FALSE


def reaches(table: Table, row: int, value: float, quality: int) -> bool:
    """Whether a reading by itself makes a row TRUE, whatever holds now and whatever enables it."""
    at = table.at
    code = _HIGH[quality] if at.high[row] else _LOW[quality]
    if code != EVALUATE:
        return code == TRUE
    return value >= at.limit[row] if at.high[row] else value <= at.limit[row]


def guard(table: Table, channel: int, low: float, high: float) -> tuple[float, float]:
    """The open interval in which every row of a channel keeps its truth, inside (low, high).

    Empty, as (inf, -inf), where a row is UNKNOWN: then every reading is judged.
    """
    at = table.at
    for row in table.span[channel]:
        state = at.truth[row]
        if state == UNKNOWN:
            return math.inf, -math.inf
        if at.fault[row] or at.off[row]:
            continue
        high_side = at.high[row]
        if state == TRUE:
            if high_side:
                low = max(low, at.release[row])
            else:
                high = min(high, at.release[row])
        elif high_side:
            high = min(high, at.limit[row])
        else:
            low = max(low, at.limit[row])
    return low, high


def rest(table: Table, low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """(channels, 2) the guards with every row FALSE, inside (channels,) `low` and `high`."""
    limits = ~table.fault
    low, high = low.copy(), high.copy()
    for side, into, pick in ((table.high, high, np.minimum), (~table.high, low, np.maximum)):
        rows = np.flatnonzero(limits & side)
        pick.at(into, table.channel[rows], table.limit[rows])
    return np.stack([low, high], axis=1)
