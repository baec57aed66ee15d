"""Batch: the one thing that flows from drivers to the engine, column by column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

LIVE, BURST, LATE = "live", "burst", "late"
DRILL = "drill:"
"""Origins. A drill's origin is `drill:` followed by its id."""


def nothing_to_tell() -> None:
    """The `ack` of a source that needs none (Modbus: its state is read again)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Readings in arrival order; all columns have one length n.

    point     (n,) int32    dense index into the site's points
    value     (n,) float64  declared engineering unit of that point; NaN only with bad quality
    quality   (n,) uint8    quality byte
    time      (n,) int64    ns UTC as the source gave it (receive time where it has no clock)
    received  (n,) int64    engine time in ns, stamped once by the driver, never falling
    origin    `live`, `burst`, `late` or `drill:ID`
    ack       told once, from the event loop, when spool and journal hold the batch
    driver    `modbus` or `mqtt`, for the counters
    """

    point: NDArray[np.int32]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]
    time: NDArray[np.int64]
    received: NDArray[np.int64]
    origin: str = LIVE
    ack: Callable[[], None] = field(default=nothing_to_tell, compare=False)
    driver: str = ""

    def __post_init__(self) -> None:
        n = len(self.point)
        assert len(self.value) == len(self.quality) == len(self.time) == len(self.received) == n
        assert self.point.dtype == np.int32
        assert self.quality.dtype == np.uint8

    def __len__(self) -> int:
        return len(self.point)
