"""Truth of limit conditions: one meaning, a vector path and a scalar path over the same columns."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.compile import FALSE, TRUE, UNKNOWN, Table
from parkwatch.rules.quality import READING, Reading, Reason

SCALAR_MAX = 12
"""Readings up to which the scalar path is cheaper than numpy's fixed cost (measured)."""

_FAULTS = frozenset({Reason.NONE, Reason.FAULT, Reason.STALE, Reason.COMMS})
_IS_FAULT = np.array(
    [READING[q] == Reading.UNKNOWN and (q & 0x3F) in _FAULTS for q in range(256)], dtype=np.bool_
)
_IS_LINK = np.array([(q & 0x3F) in (Reason.STALE, Reason.COMMS) for q in range(256)])


def truths(
    table: Table,
    rows: NDArray[np.int64],
    value: NDArray[np.float64],
    quality: NDArray[np.uint8],
    link_down: NDArray[np.bool_],
) -> NDArray[np.int8]:
    """(r,) truth of rows; `value`, `quality` and `link_down` of each row's point, all (r,).

    High: `>=`, low: `<=` (reached or exceeded, GB 12358-2024). A condition that holds stays TRUE
    until the value is at limit minus (plus) deadband. NaN is UNKNOWN, tested before comparing.
    """
    sign = table.sign[rows]
    over = sign * (value - table.limit[rows])
    true = (over >= 0) | (table.holds[rows] & (over > -table.deadband[rows]))
    reading = READING[quality]
    high = sign > 0
    known = np.where(
        reading == Reading.EVALUATE, true, np.where(reading == Reading.HIGH, high, ~high)
    )
    unknown = (reading == Reading.UNKNOWN) | ((reading == Reading.EVALUATE) & np.isnan(value))
    truth = np.where(unknown, UNKNOWN, known)
    fault = _IS_FAULT[quality] & ~(link_down & _IS_LINK[quality])
    return np.where(table.fault[rows], fault, truth).astype(np.int8)


def truth(table: Table, row: int, value: float, quality: int, *, link_down: bool) -> int:
    """The same for one row."""
    if table.fault[row]:
        return int(bool(_IS_FAULT[quality]) and not (link_down and bool(_IS_LINK[quality])))
    reading = READING[quality]
    if reading == Reading.UNKNOWN:
        return UNKNOWN
    high = table.sign[row] > 0
    if reading != Reading.EVALUATE:
        return int(high == (reading == Reading.HIGH))
    if math.isnan(value):
        return UNKNOWN
    over = table.sign[row] * (value - table.limit[row])
    if over >= 0 or (table.holds[row] and over > -table.deadband[row]):
        return TRUE
    return FALSE
