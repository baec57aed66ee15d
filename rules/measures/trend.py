"""Statistics over the parts of a window, for many windows at once; pure functions on columns.

A window is (w, k): k parts, the oldest first; a part that was not seen long enough is NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ENOUGH = 2.0 / 3.0
"""So much of a window must have been seen for a trend in it."""
COVERED = 0.75
"""And so much of it for an average, or for calling it flat."""
MOVED, STILL = 0.1, 0.01
"""Of the span: the zone moved, the detector did not."""
_MAD = 1.4826  # median absolute deviation to standard deviation of a normal distribution


def slopes(means: Floats, minutes: float) -> Floats:
    """(w,) Theil-Sen slopes a minute: the median over all pairs of parts, each `minutes` long.

    Robust: a quarter of wild parts moves it little (Sen 1968). NaN with too few samples.
    """
    k = means.shape[1]
    first, second = np.triu_indices(k, 1)
    pairs = (means[:, second] - means[:, first]) / ((second - first) * minutes)
    return _median(pairs, np.isfinite(means).sum(axis=1) >= ENOUGH * k)


def minutes_to(
    means: Floats, minutes: float, limit: Floats, sign: Floats, guard: Floats, step: Floats
) -> Floats:
    """(w,) minutes until the fitted line reaches `limit` where it rises (`sign` 1) or falls (-1).

    The slope is believed only less `guard` standard errors, from the residuals' median deviation
    and at least half a `step` of the channel's resolution: noise and one digit's flicker never
    reach anything. 0 where the fit is there already and still goes on, +inf where it does not get
    there, NaN with too few samples.
    """
    slope = slopes(means, minutes)
    known = np.isfinite(slope)
    k = means.shape[1]
    time = (np.arange(k) - (k - 1)) * minutes
    flat = np.where(known, slope, 0.0)[:, None] * time
    level = _median(means - flat, known)
    residual = np.abs(means - flat - level[:, None])
    sigma = np.maximum(_MAD * _median(residual, known), step / 2)
    error = sigma / np.sqrt(((time - time.mean()) ** 2).sum())
    surely = sign * slope - guard * error
    gap = sign * (limit - level)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(surely > 0, gap / surely, np.inf)
    return np.where(known, np.where((gap <= 0) & (surely > 0), 0.0, reach), np.nan)


def apart(own: Floats, peers: Floats, span: float) -> float:
    """How far `own` (k,) parts lie from the median of `peers` (m, k), as a median over the parts.

    +inf where the zone moved by a tenth of the span and this one by less than a hundredth. NaN
    with fewer than two peers, or too few parts in common.
    """
    there = np.isfinite(peers)
    common = np.isfinite(own) & (there.sum(axis=0) >= 2)
    if common.sum() < ENOUGH * len(own):
        return float("nan")
    zone = np.nanmedian(peers[:, common], axis=0)
    mine = own[common]
    if np.ptp(zone) >= MOVED * span and np.ptp(mine) < STILL * span:
        return float("inf")
    return float(np.median(np.abs(mine - zone)))


def _median(columns: Floats, known: NDArray[np.bool_]) -> Floats:
    """(w,) medians without the NaN; NaN for windows that are not `known`."""
    found = np.full(len(columns), np.nan)
    if known.any():
        found[known] = np.nanmedian(columns[known], axis=1)
    return found
