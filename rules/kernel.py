"""Truth of limit conditions: one meaning, a vector path and a scalar path over the same columns.

The vector path only says which readings change something; what they change is then done for one
reading after the other, in their order, by the scalar path.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.compile import FALSE, TRUE, UNKNOWN, Table
from parkwatch.rules.quality import BAD, READING, REASON_MASK, STATUS_MASK, Reading, Reason

SCALAR_MAX = 12
"""Readings up to which the scalar path is cheaper than numpy's fixed cost (measured)."""
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
_HIGH_CODES, _LOW_CODES = np.array(_HIGH, dtype=np.int8), np.array(_LOW, dtype=np.int8)
BLIND: NDArray[np.bool_] = np.array(_BLIND, dtype=np.bool_)
"""(256,) whether a detector with this quality byte is no witness of a high condition."""
FAULTY: NDArray[np.bool_] = np.array(_FAULTY, dtype=np.bool_)
"""(256,) whether the channel is at fault: blind, and nobody said that it would be."""


def truths(
    table: Table, rows: NDArray[np.int64], value: NDArray[np.float64], quality: NDArray[np.uint8]
) -> NDArray[np.int8]:
    """(r,) truth of rows; `value` and `quality` of each row's point, both (r,).

    High: `>=`, low: `<=` (reached or exceeded, GB 12358-2024). A condition that holds stays TRUE
    until the value is at limit minus (plus) deadband. NaN is UNKNOWN, tested before comparing.
    """
    nan = np.isnan(value)
    worse = table.sign[rows] * np.where(nan, 0.0, value)
    true = (worse >= table.limit[rows]) | (table.holds[rows] & (worse > table.release[rows]))
    code = np.where(table.high[rows], _HIGH_CODES[quality], _LOW_CODES[quality])
    judged = np.where(nan, UNKNOWN, true)
    known = np.where(code == EVALUATE, judged, code)
    return np.where(table.fault[rows], FAULTY[quality], known).astype(np.int8)


def truth(table: Table, row: int, value: float, quality: int) -> int:
    """The same for one row."""
    if table.fault[row]:
        return TRUE if _FAULTY[quality] else FALSE
    code = _HIGH[quality] if table.high[row] else _LOW[quality]
    if code != EVALUATE:
        return code
    if math.isnan(value):
        return UNKNOWN
    worse = value if table.high[row] else -value
    if worse >= table.limit[row] or (table.holds[row] and worse > table.release[row]):
        return TRUE
    return FALSE


def changing(
    table: Table,
    points: NDArray[np.int32],
    value: NDArray[np.float64],
    quality: NDArray[np.uint8],
) -> NDArray[np.bool_]:
    """(n,) which of n readings, no point twice, change the truth of a row of their point."""
    rows, firsts = table.rows_of(points)
    counts = table.begin[points + 1] - table.begin[points]
    found = truths(table, rows, np.repeat(value, counts), np.repeat(quality, counts))
    changed: NDArray[np.bool_] = np.logical_or.reduceat(found != table.truth[rows], firsts)
    return changed
