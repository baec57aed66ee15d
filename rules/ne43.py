"""NAMUR NE 43: what a current on a 4-20 mA loop says, as value and quality.

Bands (contracts.md, Alarm semantics): below 3.6 mA fault (wire break); 3.6 to below 3.8 fault
(transition); 3.8 to below 4 under-range, valid; 4 to 20 good; above 20 to 20.5 over-range, valid;
above 20.5 to 21 saturated: over-range, and what it hides is not known, so never less than full
scale; above 21 fault. The 4 s debounce is the fault alarm's, not the channel's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.quality import BAD_FAULT, GOOD, UNCERTAIN, Reason

LIVE_LOW_MA, ZERO_MA, FULL_MA, FAULT_MA = 3.8, 4.0, 20.0, 21.0


def convert(
    milliamps: NDArray[np.float64], low: float, high: float
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """(n,) value in the unit of `low` and `high`, and (n,) quality byte; NaN current is a fault.

    >>> convert(np.array([3.5, 12.0, 20.2]), 0.0, 100.0)[1].tolist()
    [129, 0, 71]
    """
    current = np.asarray(milliamps, dtype=np.float64)
    under = (current >= LIVE_LOW_MA) & (current < ZERO_MA)
    good = (current >= ZERO_MA) & (current <= FULL_MA)
    over = (current > FULL_MA) & (current <= FAULT_MA)
    quality = np.full(len(current), BAD_FAULT, dtype=np.uint8)
    quality[under] = UNCERTAIN | Reason.UNDER_RANGE
    quality[good] = GOOD
    quality[over] = UNCERTAIN | Reason.OVER_RANGE
    told = np.where(under | good | over, current, np.nan)
    return low + (told - ZERO_MA) / (FULL_MA - ZERO_MA) * (high - low), quality
