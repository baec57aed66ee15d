"""NAMUR NE 43: what a current on a 4-20 mA loop says, as value and quality.

Bands (contracts.md, Alarm semantics): below 3.8 fault; 3.8 to below 4 under-range, valid; 4 to 20
good; above 20 to 21 over-range; above 21 fault.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.quality import BAD_FAULT, GOOD, UNCERTAIN, Reason


def convert(
    milliamps: NDArray[np.float64], low: float, high: float
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """(n,) value in the unit of `low` and `high`, and (n,) quality byte; NaN current is a fault.

    >>> convert(np.array([3.5, 12.0, 20.2]), 0.0, 100.0)[1].tolist()
    [129, 0, 71]
    """
    value = low + (milliamps - 4.0) / 16.0 * (high - low)
    quality = np.full(len(milliamps), BAD_FAULT, dtype=np.uint8)
    quality[(milliamps >= 3.8) & (milliamps < 4.0)] = UNCERTAIN | Reason.UNDER_RANGE
    quality[(milliamps >= 4.0) & (milliamps <= 20.0)] = GOOD
    quality[(milliamps > 20.0) & (milliamps <= 21.0)] = UNCERTAIN | Reason.OVER_RANGE
    return np.where(quality == BAD_FAULT, np.nan, value), quality
