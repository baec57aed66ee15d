"""Foreign JSON by declared paths: each declared value becomes a reading of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from parkwatch.drivers.config import Mapped
from parkwatch.drivers.mqtt.payload import (
    MS_NS,
    TIME_MS_MAX,
    Decoded,
    check_size,
    judged,
    number,
    parse,
)
from parkwatch.rules.quality import GOOD


def decode(declared: Sequence[Mapped], payload: bytes, received: int) -> Decoded:
    """The declared values of one payload, in their order; `ids` name the paths.

    A path that leads nowhere is bad quality of its point. Raises Refused where it is no JSON.
    """
    check_size(payload)
    told = parse(payload)
    values = np.array(
        [number(_at(told, m.path)) * m.scale + m.offset for m in declared], dtype=np.float64
    )
    stamps = [_time(_at(told, m.time_path)) if m.time_path else None for m in declared]
    times = [received if stamp is None else stamp for stamp in stamps]
    return Decoded(
        [m.path for m in declared],
        np.arange(len(declared), dtype=np.int32),
        values,
        judged(values, np.full(len(declared), GOOD, dtype=np.uint8)),
        np.array(times, dtype=np.int64),
        timed=all(stamp is not None for stamp in stamps),
    )


def _at(told: Any, path: str) -> Any:
    """What lies at a dotted path, where a number picks from a list; None where nothing does."""
    for part in path.split(".") if path else ():
        if isinstance(told, dict):
            told = told.get(part)
        elif isinstance(told, list) and part.isdecimal() and len(part) < 6:
            told = told[int(part)] if int(part) < len(told) else None
        else:
            return None
    return told


def _time(value: Any) -> int | None:
    """Milliseconds UTC as ns, or None where it is none."""
    ms = number(value)
    return round(ms) * MS_NS if 0 <= ms < TIME_MS_MAX else None
