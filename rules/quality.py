"""The quality byte: bits 7-6 status (0 good, 1 uncertain, 2 bad), bits 5-0 reason.

A value never travels without it (contracts.md, Quality byte).
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

GOOD, UNCERTAIN, BAD = 0x00, 0x40, 0x80
STATUS_MASK, REASON_MASK = 0xC0, 0x3F


class Reason(IntEnum):
    NONE = 0
    FAULT = 1
    STALE = 2
    COMMS = 3
    OUT_OF_SERVICE = 4
    CALIBRATING = 5
    WARMING_UP = 6
    OVER_RANGE = 7
    UNDER_RANGE = 8
    SUBSTITUTED = 9
    CLOCK = 10
    DOUBTFUL = 11
    UNVERIFIED = 12


BAD_FAULT = BAD | Reason.FAULT
BAD_STALE = BAD | Reason.STALE
BAD_COMMS = BAD | Reason.COMMS


class Reading(IntEnum):
    """What a quality byte lets a limit condition do with the value."""

    EVALUATE = 0
    UNKNOWN = 1
    HIGH = 2  # over-range: TRUE for every high condition, FALSE for low
    LOW = 3  # under-range: TRUE for every low condition, FALSE for high


def status_name(quality: int) -> str:
    """`good`, `uncertain` or `bad`."""
    return ("good", "uncertain", "bad", "bad")[quality >> 6]


def reason_name(quality: int) -> str:
    """The reason in lower case with underscores: `none`, `over_range`, ..."""
    reason = quality & REASON_MASK
    return Reason(reason).name.lower() if reason in _KNOWN else "unknown"


_KNOWN = frozenset(int(r) for r in Reason)
_EVALUATED = frozenset({Reason.NONE, Reason.CLOCK, Reason.DOUBTFUL, Reason.UNVERIFIED})


def _reading(quality: int) -> Reading:
    status, reason = quality & STATUS_MASK, quality & REASON_MASK
    if reason == Reason.OVER_RANGE:
        return Reading.HIGH
    if reason == Reason.UNDER_RANGE:
        return Reading.LOW
    if status in (GOOD, UNCERTAIN) and reason in _EVALUATED:
        return Reading.EVALUATE
    return Reading.UNKNOWN


READING: NDArray[np.uint8] = np.array([_reading(q) for q in range(256)], dtype=np.uint8)
"""(256,) uint8: quality byte to `Reading`. Bytes out of the table are UNKNOWN."""
