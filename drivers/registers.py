"""Decoding registers: words and bits in, engineering values with quality out; no I/O."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import numpy as np

from parkwatch.drivers.config import Register
from parkwatch.rules import ne43
from parkwatch.rules.quality import BAD_FAULT, GOOD

_ORDERS = {"abcd": (0, 1, 2, 3), "cdab": (2, 3, 0, 1), "badc": (1, 0, 3, 2), "dcba": (3, 2, 1, 0)}
WRAP = 65_536
BEYOND, BELOW = 1.2, 0.1
"""Of the span: more is no measurement (contracts.md, Out of range), less is a drifting zero."""
_FORMATS = {"u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "f32": ">f"}


def raw_number(register: Register, words: Sequence[int]) -> float:
    """The number in one or two words of 16 bits (or the bit), in the register's type and order.

    Orders by example, 100.25 as f32: abcd 42C8 8000, cdab 8000 42C8, dcba 0080 C842, badc
    C842 0080. A single word is turned round by badc and dcba.
    """
    assert len(words) == register.words
    if register.type == "bit":
        return float(bool(words[0]))
    data = struct.pack(f">{len(words)}H", *words)
    if len(words) == 2:
        data = bytes(data[i] for i in _ORDERS[register.order])
    elif register.order in ("badc", "dcba"):
        data = data[::-1]
    return float(struct.unpack(_FORMATS[register.type], data)[0])


def decode(register: Register, words: Sequence[int]) -> tuple[float, int]:
    """Value in the point's unit and quality byte; what is no number is a fault of the channel.

    A value with bad quality is NaN, and nothing else is.
    """
    raw = raw_number(register, words)
    value = raw * register.scale + register.offset
    if not math.isfinite(value):
        return math.nan, BAD_FAULT
    if register.signal == "4-20mA":
        values, qualities = ne43.convert(np.array([value]), register.low, register.high)
        return float(values[0]), int(qualities[0])
    shown = float(f"{value:.12g}")  # 19 * 0.1 is 1.9, as the panel shows it
    return _unwrapped(register, raw, shown), GOOD


def _unwrapped(register: Register, raw: float, shown: float) -> float:
    """A sensor that drifts below zero makes an unsigned register read near 65536: that is no gas.

    Only what no range can mean is read so; further below zero it stays a fault of the channel.
    """
    span = register.high - register.low
    if not register.drifts or shown <= register.low + BEYOND * span or shown in register.sentinels:
        return shown
    negative = float(f"{(raw - WRAP) * register.scale + register.offset:.12g}")
    return negative if register.low - BELOW * span <= negative < register.low else shown
