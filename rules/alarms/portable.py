"""A portable reading as evidence that nothing is there, where the fixed detector cannot be seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from parkwatch.rules.alarms.answers import no
from parkwatch.rules.site import SECOND_NS, Limit
from parkwatch.rules.transition import Outcome

FRESH_NS = 15 * 60 * SECOND_NS
"""An older reading says nothing about now (ours)."""
AHEAD_NS = 60 * SECOND_NS
"""So far ahead of us a person's watch may be."""


def refusal(
    reading: Mapping[str, Any], gas: str, limits: Sequence[Limit], now: int
) -> Outcome | None:
    """Why a typed reading {gas, value, instrument, at (ns)} is no evidence, None where it is.

    It is compared with the alarm's own limits on the value: a reading in alarm resets nothing.
    """
    value, at = reading.get("value"), reading.get("at")
    if not reading.get("instrument") or not isinstance(at, int) or not _number(value):
        return no(
            "ALM-413",
            "须附便携仪读数:气体、数值、仪器、时间 "
            "a portable reading is needed: gas, value, instrument, time",
            "写全四项 give all four",
        )  # fmt: skip
    if str(reading.get("gas", "")) != gas:
        return no(
            "ALM-419", f"读数的气体须为 the reading must be of {gas or '-'}",
            "核对气体 check the gas",
        )  # fmt: skip
    if not now - FRESH_NS <= at <= now + AHEAD_NS:
        return no(
            "ALM-420", "读数须在 15 分钟内 the reading must be at most 15 min old",
            "重新测量 measure again",
        )  # fmt: skip
    assert isinstance(value, int | float)
    for limit in limits:
        if limit.measure is None and _reached(value, limit):
            return no(
                "ALM-421",
                f"读数 {value:g} 已达限值 {limit.limit:g} the reading is in alarm itself",
                "现场仍有危险,不得复位 there is danger on site: no reset",
            )  # fmt: skip
    return None


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _reached(value: float, limit: Limit) -> bool:
    return value >= limit.limit if limit.side == "high" else value <= limit.limit
